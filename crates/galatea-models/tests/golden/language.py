"""Ten-step loss curves of `lm` in PyTorch, in double precision: a transformer with learnt and one with rotary positions, an
LSTM and a GRU, with AdamW, clipped gradients, and the schedule of `lm`.

`python language.py` (needs torch and numpy) writes `language.json`, which `tests/language.rs` compares with. Weights and tokens
are made of the Philox numbers of `adversarial.py`, so that both sides start from the same values.
"""

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F

from adversarial import fnv, uniform

STEPS, BATCH, CONTEXT, VOCABULARY, WIDTH, HEADS, LAYERS = 10, 3, 7, 9, 12, 3, 2
RATE, BETAS, DECAY, CLIP, END, WARM_UP = 0.01, (0.9, 0.99), 0.1, 1.0, 0.1, 2


def fill(name, *shape):
    """Between -0.3 and 0.3, and of scales between 0.8 and 1.2; in single precision, as the other side has it."""
    low, wide = (0.8, 0.4) if name.endswith("gamma") else (-0.3, 0.6)
    values = torch.tensor(uniform(fnv(name), 0, math.prod(shape)), dtype=torch.float32) * wide + low
    return values.double().reshape(shape).requires_grad_()


def tokens(step):
    return torch.tensor((uniform(77, step, BATCH * (CONTEXT + 1)) * VOCABULARY).astype(int)).reshape(BATCH, -1)


class Model:
    def __init__(self, cell, rotary):
        self.cell, self.rotary = cell, rotary
        shapes = {"tokens": (VOCABULARY, WIDTH), "norm.gamma": (WIDTH,), "norm.beta": (WIDTH,)}
        if cell == "transformer":
            if not rotary:
                shapes["positions"] = (CONTEXT, WIDTH)
            for i in range(LAYERS):
                for norm in ("norm_1", "norm_2"):
                    shapes |= {f"blocks.{i}.{norm}.gamma": (WIDTH,), f"blocks.{i}.{norm}.beta": (WIDTH,)}
                for name, size in {"qkv": (1, 3), "out": (1, 1), "up": (1, 4), "down": (4, 1)}.items():
                    shapes[f"blocks.{i}.{name}.weight"] = (size[0] * WIDTH, size[1] * WIDTH)
        else:
            gates = 4 if cell == "lstm" else 3
            for i in range(LAYERS):
                shapes |= {f"cells.{i}.input": (WIDTH, gates * WIDTH), f"cells.{i}.recurrent": (WIDTH, gates * WIDTH)}
                shapes[f"cells.{i}.bias"] = (4 * WIDTH,)
        self.v = {name: fill(name, *shape) for name, shape in shapes.items()}

    def norm(self, x, name):
        return F.layer_norm(x, (WIDTH,), self.v[f"{name}.gamma"], self.v[f"{name}.beta"], 1e-5)

    def turned(self, x):
        half = x.shape[-1] // 2
        angles = torch.arange(CONTEXT)[:, None] * 10_000.0 ** (-torch.arange(half) / half)
        a, b = x[..., :half], x[..., half:]
        return torch.cat([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], -1)

    def recurrent(self, x, i):
        w, u, bias = (self.v[f"cells.{i}.{name}"] for name in ("input", "recurrent", "bias"))
        h = c = torch.zeros(BATCH, WIDTH, dtype=x.dtype)
        outputs = []
        for t in range(CONTEXT):
            of_x, of_h = x[:, t] @ w, h @ u
            if self.cell == "lstm":
                i_, f, g, o = (of_x + of_h + bias).chunk(4, 1)
                c = f.sigmoid() * c + i_.sigmoid() * g.tanh()
                h = o.sigmoid() * c.tanh()
            else:
                of_x = of_x + bias[: 3 * WIDTH]
                (r, z, n), (r_h, z_h, n_h) = of_x.chunk(3, 1), of_h.chunk(3, 1)
                r, z = (r + r_h).sigmoid(), (z + z_h).sigmoid()
                h = (1 - z) * (n + r * (n_h + bias[3 * WIDTH :])).tanh() + z * h
            outputs.append(h)
        return torch.stack(outputs, 1)

    def loss(self, batch):
        inputs, targets = batch[:, :-1], batch[:, 1:]
        x = self.v["tokens"][inputs]
        if "positions" in self.v:
            x = x + self.v["positions"]
        for i in range(LAYERS):
            if self.cell != "transformer":
                x = self.recurrent(x, i)
                continue
            qkv = self.norm(x, f"blocks.{i}.norm_1") @ self.v[f"blocks.{i}.qkv.weight"]
            q, k, v = (part.unflatten(2, (HEADS, -1)).transpose(1, 2) for part in qkv.split(WIDTH, 2))
            if self.rotary:
                q, k = self.turned(q), self.turned(k)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
            x = x + y @ self.v[f"blocks.{i}.out.weight"]
            wide = F.gelu(self.norm(x, f"blocks.{i}.norm_2") @ self.v[f"blocks.{i}.up.weight"], approximate="tanh")
            x = x + wide @ self.v[f"blocks.{i}.down.weight"]
        logits = self.norm(x, "norm") @ self.v["tokens"].T
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def rate(step):
    if step <= WARM_UP:
        return RATE * step / (WARM_UP + 1)
    share = (step - 1 - WARM_UP) / (STEPS - WARM_UP)
    return RATE * (END + (1 - END) * 0.5 * (1 + math.cos(math.pi * share)))


def curve(cell, rotary=False):
    model = Model(cell, rotary)
    groups = [{"params": [], "weight_decay": 0.0}, {"params": [], "weight_decay": DECAY}]
    for value in model.v.values():
        groups[value.dim() > 1]["params"].append(value)
    optimizer = torch.optim.AdamW(groups, RATE, BETAS, 1e-8)
    losses = []
    for step in range(1, STEPS + 1):
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        optimizer.zero_grad()
        loss = model.loss(tokens(step))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.v.values(), CLIP)
        optimizer.step()
        losses.append(loss.item())
    return losses


result = {"learnt": curve("transformer"), "rotary": curve("transformer", True), "lstm": curve("lstm"), "gru": curve("gru")}
Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
