"""The language model of the cases `lm-train` and `lm-write`: nanoGPT's CPU setting, as `galatea train lm --set
preset=nanogpt` has it. Run as a program, it is trained on a text and judged as nanoGPT does:

    python language.py TEXT [--steps 2000] [--seed 0] [--threads N]
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

CONTEXT, BATCH, VOCABULARY = 64, 12, 65
LAYERS, HEADS, WIDTH = 4, 4, 128


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.out = nn.Linear(WIDTH, WIDTH, bias=False)
        self.up = nn.Linear(WIDTH, 4 * WIDTH, bias=False)
        self.down = nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x, cache=None, at=0):
        n, time, _ = x.shape
        q, k, v = (part.view(n, time, HEADS, -1).transpose(1, 2) for part in self.qkv(self.norm_1(x)).split(WIDTH, 2))
        if cache is not None:
            cache[0][:, :, at : at + time], cache[1][:, :, at : at + time] = k, v
            k, v = cache[0][:, :, : at + time], cache[1][:, :, : at + time]
        y = F.scaled_dot_product_attention(q, k, v, is_causal=cache is None)
        x = x + self.out(y.transpose(1, 2).reshape(n, time, WIDTH))
        return x + self.down(F.gelu(self.up(self.norm_2(x)), approximate="tanh"))


class Network(nn.Module):
    def __init__(self, vocabulary=VOCABULARY):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                small = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(parameter, std=0.02 / (math.sqrt(2 * LAYERS) if small else 1))

    def forward(self, tokens, caches=None, at=0):
        time = tokens.shape[1]
        x = self.tokens(tokens) + self.positions.weight[at : at + time]
        for i, block in enumerate(self.blocks):
            x = block(x, caches and caches[i], at)
        return F.linear(self.norm(x), self.tokens.weight)


def adamw(network, rate=1e-3):
    """Matrices decay, vectors do not."""
    groups = [{"params": [], "weight_decay": 0.0}, {"params": [], "weight_decay": 0.1}]
    for parameter in network.parameters():
        groups[parameter.dim() > 1]["params"].append(parameter)
    return torch.optim.AdamW(groups, rate, (0.9, 0.99), fused=True)


class Train:
    """Forward, backward, gradients clipped, AdamW."""

    def __init__(self, variant, vocabulary=VOCABULARY):
        self.network = Network(vocabulary)
        self.loss = torch.compile(self.loss_of) if variant == "compile" else self.loss_of
        self.optimizer = adamw(self.network)
        self.batches = [torch.randint(vocabulary, (BATCH, CONTEXT + 1)) for _ in range(8)]
        self.at = 0

    def loss_of(self, batch):
        return F.cross_entropy(self.network(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())

    def step_on(self, batch):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(batch)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        return loss

    def step(self):
        batch, self.at = self.batches[self.at], (self.at + 1) % len(self.batches)
        self.step_on(batch)

    def parameters(self):
        return {"network": sum(parameter.numel() for parameter in self.network.parameters())}


class Write:
    """64 tokens of one text, drawn one by one with keys and values kept."""

    def __init__(self, variant):
        self.network = Network().eval()
        self.forward = torch.compile(self.network) if variant == "compile" else self.network

    def step(self):
        with torch.inference_mode():
            shape = (1, HEADS, CONTEXT, WIDTH // HEADS)
            caches = [(torch.empty(shape), torch.empty(shape)) for _ in range(LAYERS)]
            token = torch.zeros(1, 1, dtype=torch.long)
            for at in range(CONTEXT):
                logits = self.forward(token, caches, at)
                token = torch.multinomial(F.softmax(logits[:, -1], -1), 1)

    def parameters(self):
        return {"network": sum(parameter.numel() for parameter in self.network.parameters())}


def main():
    import argparse
    import time

    parser = argparse.ArgumentParser()
    parser.add_argument("text")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    text = open(args.text, encoding="utf-8").read()
    letters = {letter: i for i, letter in enumerate(sorted(set(text)))}
    tokens = torch.tensor([letters[letter] for letter in text])
    cut = int(0.9 * len(tokens))
    train, unseen = tokens[:cut], tokens[cut:]
    work = Train("eager", len(letters))
    began = time.perf_counter()
    for step in range(args.steps):
        warm, share = 100, max(0.0, (step - 100) / (args.steps - 100))
        rate = 1e-3 * ((step + 1) / (warm + 1) if step < warm else 0.1 + 0.45 * (1 + math.cos(math.pi * share)))
        for group in work.optimizer.param_groups:
            group["lr"] = rate
        starts = torch.randint(len(train) - CONTEXT, (BATCH,))
        work.step_on(torch.stack([train[i : i + CONTEXT + 1] for i in starts]))
    seconds = time.perf_counter() - began
    with torch.inference_mode():
        stretches = unseen[: (len(unseen) - 1) // CONTEXT * CONTEXT + 1].unfold(0, CONTEXT + 1, CONTEXT)
        loss = sum(work.loss_of(part).item() * len(part) for part in stretches.split(64)) / len(stretches)
    print(f"validation loss {loss:.4f} nats, {1e3 * seconds / args.steps:.2f} ms a step")


if __name__ == "__main__":
    main()
