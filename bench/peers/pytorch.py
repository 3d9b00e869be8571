"""The cases of `cargo xtask bench` in PyTorch, each in the variants that might be the fastest.

A step is what ours is: one step of Adam for the discriminator, on real and generated examples in one batch, and one for
the generator with fresh latent vectors. Nothing else is asked of PyTorch: batches lie ready as tensors, and no loss is
read back.
"""

import json
import time

import protocol

BATCHES = 8  # Batches of made-up examples that steps take in turn.
GANS = ["mlp-32", "mlp-256", "dcgan-28", "dcgan-64"]
EAGER_OR_COMPILED = ["eager", "compile"]
WITH_LAYOUTS = ["eager", "channels_last", "compile", "compile-channels_last"]
CASES = {
    "sgemm": ["1024", "2048"],
    "mlp-32": EAGER_OR_COMPILED,
    "mlp-256": EAGER_OR_COMPILED,
    "dcgan-28": WITH_LAYOUTS,
    "dcgan-64": WITH_LAYOUTS,
    "sample": WITH_LAYOUTS,
    "lstm": EAGER_OR_COMPILED,
    "lm-train": EAGER_OR_COMPILED,
    "lm-write": ["eager"],
    "adam": ["fused", "foreach"],
    "start": ["eager"],
    "memory": ["eager", "channels_last"],
    "quality": ["plain", "recipe"],
}


def load():
    """Imports what takes its time; `--list` does without."""
    global torch, F, language, networks
    import torch
    import torch.nn.functional as F

    import language
    import networks


def adam(network, rate=2e-4, betas=(0.5, 0.999)):
    return torch.optim.Adam(network.parameters(), rate, betas, fused=True)


def count(network):
    """Values that a checkpoint holds: what is trained, and the statistics of batch normalisation, as ours counts them."""
    return sum(value.numel() for value in network.state_dict().values() if value.is_floating_point())


class Gan:
    """A generator and a discriminator under training on made-up examples."""

    def __init__(self, generator, discriminator, batch, latent, shape, variant):
        layout = torch.channels_last if "channels_last" in variant else torch.contiguous_format
        self.generator, self.discriminator = generator.to(memory_format=layout), discriminator.to(memory_format=layout)
        self.adam_g, self.adam_d = adam(generator), adam(discriminator)
        self.batch, self.latent, self.at = batch, latent, 0
        self.real = [(2 * torch.rand(batch, *shape) - 1).contiguous(memory_format=layout) for _ in range(BATCHES)]
        if "compile" in variant:
            self.generate, self.loss_d, self.loss_g = map(torch.compile, (self.generate, self.loss_d, self.loss_g))

    def generate(self, z):
        with torch.no_grad():
            return self.generator(z)

    def loss_d(self, x, fake):
        logits = self.discriminator(torch.cat([x, fake]))
        return F.softplus(-logits[: len(x)]).mean() + F.softplus(logits[len(x) :]).mean()

    def loss_g(self, z):
        return F.softplus(-self.discriminator(self.generator(z))).mean()

    def step(self):
        x, self.at = self.real[self.at], (self.at + 1) % BATCHES
        fake = self.generate(torch.randn(self.batch, self.latent))
        self.adam_d.zero_grad(set_to_none=True)
        self.loss_d(x, fake).backward()
        self.adam_d.step()
        # Held constant, the discriminator's weights take no gradient, which spares half of its backward pass.
        self.discriminator.requires_grad_(False)
        self.adam_g.zero_grad(set_to_none=True)
        self.loss_g(torch.randn(self.batch, self.latent)).backward()
        self.adam_g.step()
        self.discriminator.requires_grad_(True)

    def parameters(self):
        return {"generator": count(self.generator), "discriminator": count(self.discriminator)}


def gan(case, variant):
    if case.startswith("mlp"):
        pair = networks.MlpGenerator(), networks.MlpDiscriminator()
        return Gan(*pair, int(case.split("-")[1]), 100, [784], variant)
    size, channels, batch, widest = {"dcgan-28": (28, 1, 64, 256), "dcgan-64": (64, 3, 32, 512)}[case]
    pair = (
        networks.Generator(size, channels, 100, max_width=widest),
        networks.Discriminator(size, channels, max_width=widest),
    )
    return Gan(*pair, batch, 100, [channels, size, size], variant)


class Sample:
    """10,000 digits from the generator of `dcgan-28`; a step is all of them."""

    def __init__(self, variant, rows=250):
        layout = torch.channels_last if "channels_last" in variant else torch.contiguous_format
        self.generator = networks.Generator(28, 1, 100).eval().to(memory_format=layout)
        self.forward = torch.compile(self.generator) if "compile" in variant else self.generator
        self.rows = rows

    def step(self):
        with torch.inference_mode():
            parts = [self.forward(torch.randn(self.rows, 100)) for _ in range(0, 10_000, self.rows)]
            return torch.cat(parts).contiguous()

    def parameters(self):
        return {"generator": count(self.generator)}


class Lstm:
    """2 layers, 256 wide, 64 long, batches of 32: forward, backward, Adam."""

    def __init__(self, variant):
        self.lstm = torch.nn.LSTM(256, 256, 2)
        self.forward = torch.compile(self.lstm) if variant == "compile" else self.lstm
        self.adam = adam(self.lstm)
        self.x = torch.randn(64, 32, 256)

    def step(self):
        self.adam.zero_grad(set_to_none=True)
        self.forward(self.x)[0].square().mean().backward()
        self.adam.step()

    def parameters(self):
        # PyTorch has two biases whose sum is what counts; ours is that sum.
        return {"lstm": count(self.lstm) - sum(v.numel() for n, v in self.lstm.named_parameters() if "bias_hh" in n)}


class Adam:
    """One step of Adam over 10 arrays of a million values."""

    def __init__(self, variant):
        self.arrays = [torch.randn(1000, 1000, requires_grad=True) for _ in range(10)]
        for array in self.arrays:
            array.grad = torch.randn(1000, 1000)
        self.step = torch.optim.Adam(self.arrays, 2e-4, (0.5, 0.999), **{variant: True}).step

    def parameters(self):
        return {"arrays": sum(array.numel() for array in self.arrays)}


class Sgemm:
    """The product of two square matrices."""

    def __init__(self, variant):
        n = int(variant)
        self.a, self.b, self.out = torch.randn(n, n), torch.randn(n, n), torch.empty(n, n)

    def step(self):
        torch.mm(self.a, self.b, out=self.out)

    def parameters(self):
        return {}


class Quality:
    """Digits learnt for as long as the driver says, samples written when it says.

    `plain` is what PyTorch's users mostly start from: this network, batches of 64, Adam at 2e-4 with 0.5. `recipe` is
    the recipe of our `dcgan` line by line: classes, R1 by double backward, the average of the weights.
    """

    def __init__(self, variant, path):
        import numpy

        self.recipe = variant == "recipe"
        data = numpy.load(path, allow_pickle=False)
        self.x = torch.from_numpy(data).float() / 127.5 - 1
        classes = 10 if self.recipe else 0
        self.batch, self.latent = (16, 32) if self.recipe else (64, 100)
        self.classes = classes
        if self.recipe:
            labels = torch.from_numpy(numpy.load(path.replace(".npy", "-labels.npy"), allow_pickle=False)).long()
            self.y = F.one_hot(labels.flatten(), classes).float()
        self.generator = networks.Generator(28, 1, self.latent, classes=classes)
        self.discriminator = networks.Discriminator(28, 1, classes=classes)
        if self.recipe:
            he(self.generator)
            he(self.discriminator)
        rate, betas = (2e-3, (0.0, 0.99)) if self.recipe else (2e-4, (0.5, 0.999))
        self.adam_g, self.adam_d = adam(self.generator, rate, betas), adam(self.discriminator, rate, betas)
        self.rate, self.seconds, self.steps = rate, 0.0, 0
        self.mean = [p.detach().clone() for p in self.generator.parameters()]

    def parameters(self):
        return {"generator": count(self.generator), "discriminator": count(self.discriminator)}

    def train(self, request):
        """Trains for `train_seconds` of `of_seconds` in all, then writes samples."""
        end = self.seconds + request["train_seconds"]
        while self.seconds < end:
            before = time.perf_counter()
            self.step(self.seconds / request["of_seconds"])
            self.steps += 1
            self.seconds += time.perf_counter() - before
        self.write(request["samples"], request["count"])
        return {"seconds": self.seconds, "steps": self.steps}

    def step(self, progress):
        if self.recipe:
            for optimizer in (self.adam_g, self.adam_d):
                optimizer.param_groups[0]["lr"] = self.rate * max(0.0, 1 - progress)
        chosen = torch.randint(len(self.x), (self.batch,))
        x, y = self.x[chosen], self.y[chosen] if self.recipe else None
        draw = lambda: torch.randn(self.batch, self.latent)
        with torch.no_grad():
            fake = self.generator(draw(), y)
        logits = self.discriminator(torch.cat([x, fake]), None if y is None else torch.cat([y, y]))
        loss = F.softplus(-logits[: self.batch]).mean() + F.softplus(logits[self.batch :]).mean()
        if self.recipe and (self.steps + 1) % 8 == 0:
            at = x.clone().requires_grad_()
            (slope,) = torch.autograd.grad(self.discriminator(at, y).sum(), at, create_graph=True)
            loss = loss + 8 * 0.5 * slope.square().sum() / self.batch
        self.adam_d.zero_grad(set_to_none=True)
        loss.backward()
        self.adam_d.step()
        self.discriminator.requires_grad_(False)
        self.adam_g.zero_grad(set_to_none=True)
        F.softplus(-self.discriminator(self.generator(draw(), y), y)).mean().backward()
        self.adam_g.step()
        self.discriminator.requires_grad_(True)
        if self.recipe:
            t = self.steps + 1
            torch._foreach_lerp_(self.mean, [p.detach() for p in self.generator.parameters()], 1 - min(0.99, (1 + t) / (10 + t)))

    def write(self, path, n):
        """As bytes, like the digits; of all classes in turn."""
        import numpy

        generator = networks.Generator(28, 1, self.latent, classes=self.classes)
        generator.load_state_dict(self.generator.state_dict())
        generator.requires_grad_(False)
        if self.recipe:
            for parameter, value in zip(generator.parameters(), self.mean):
                parameter.copy_(value)
        labels = lambda rows: F.one_hot(torch.arange(rows) % 10, 10).float() if self.recipe else None
        for norm in generator.norms:
            norm.reset_running_stats()
            norm.momentum = None
        generator(torch.randn(256, self.latent), labels(256))  # Fixes the statistics, as ours does.
        x = generator.eval()(torch.randn(n, self.latent), labels(n))
        numpy.save(path, ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy())


def he(network):
    """The first weights of our layers."""
    for name, module in network.named_modules():
        if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
            inputs = module.weight[0].numel()
            gain = (2 / 1.04) ** 0.5 if name.startswith("downs") else 2**0.5
            if isinstance(module, torch.nn.ConvTranspose2d):
                inputs = module.in_channels * 4
                gain = 1.0 if module.out_channels == 1 else gain
            elif name in ("end", "classes"):
                gain, inputs = 1.0, module.weight.shape[1] if name == "end" else module.weight.shape[0]
            torch.nn.init.normal_(module.weight, std=gain / inputs**0.5)
            if module.bias is not None:
                torch.nn.init.zeros_(module.bias)


def make(args):
    case, variant = args.case, args.variant or CASES[args.case][0]
    if case in GANS:
        return gan(case, variant)
    if case in ("start", "memory"):
        return gan("dcgan-28", variant)
    if case == "quality":
        return Quality(variant, args.train)
    others = {"lm-train": language.Train, "lm-write": language.Write}
    return {"sample": Sample, "lstm": Lstm, "adam": Adam, "sgemm": Sgemm, **others}[case](variant)


def main():
    args = protocol.arguments()
    if args.list:
        print(json.dumps(CASES), file=protocol.ANSWERS)
        return
    load()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    work = make(args)
    if args.compare:
        import compare

        protocol.answer(**compare.compare(work, args.compare))
        return
    protocol.serve(work, f"PyTorch {torch.__version__}", args.steps)


if __name__ == "__main__":
    protocol.run(main)
