"""Ten-step curves of `vae` and `iwae` in PyTorch, in double precision.

`python variational.py` (needs torch and numpy) writes `variational.json`, which `tests/variational.rs` compares with. Numbers
are made as in `adversarial.py`.
"""

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from adversarial import BATCH, CLASSES, LATENT, LATENT_DRAW, SIDE, STEPS, fnv, rows, uniform

import numpy as np

HIDDEN, CHANNELS, PIXELS = [12, 10], [4, 8], SIDE * SIDE
RULES = {"weight": (0.6, -0.3), "bias": (0.2, -0.1), "log_scale": (0.2, -1.1)}


def fill(name, shape):
    u = uniform(fnv(f"autoencoder.{name}"), 0, math.prod(shape)).astype(np.float32).reshape(shape)
    scale, offset = RULES[name.split(".")[-1]]
    return torch.tensor((np.float32(scale) * u + np.float32(offset)).astype(np.float64)).requires_grad_()


class Net:
    def __init__(self, conv, scales):
        self.v, self.conv = {}, conv
        inner = CHANNELS[1] * (SIDE // 4) ** 2
        width = (inner if conv else PIXELS) + CLASSES
        for i, out in enumerate(HIDDEN):
            self.linear(f"encoder.hidden.{i}", width, out)
            width = out
        self.linear("encoder.mean", width, LATENT)
        self.linear("encoder.log_variance", width, LATENT)
        width = LATENT + CLASSES
        for i, out in enumerate(reversed(HIDDEN)):
            self.linear(f"decoder.hidden.{i}", width, out)
            width = out
        self.linear("decoder.end", width, inner if conv else PIXELS)
        if conv:
            for i, (a, b) in enumerate([(1, CHANNELS[0]), CHANNELS]):
                self.array(f"encoder.downs.{i}", (b, a, 4, 4), b)
            for i, (a, b) in enumerate([CHANNELS[::-1], (CHANNELS[0], 1)]):
                self.array(f"decoder.ups.{i}", (a, b, 4, 4), b)
        if scales:
            self.v["decoder.log_scale"] = fill("decoder.log_scale", (1, 1))

    def array(self, name, shape, out):
        self.v[f"{name}.weight"] = fill(f"{name}.weight", shape)
        self.v[f"{name}.bias"] = fill(f"{name}.bias", (out,))

    def linear(self, name, inputs, out):
        self.array(name, (inputs, out), out)

    def of(self, name):
        return self.v[f"{name}.weight"], self.v[f"{name}.bias"]

    def apply(self, name, x):
        w, b = self.of(name)
        return x @ w + b

    def encode(self, x, labels):
        if self.conv:
            x = x.reshape(-1, 1, SIDE, SIDE)
            for i in range(2):
                x = F.leaky_relu(F.conv2d(x, *self.of(f"encoder.downs.{i}"), stride=2, padding=1), 0.2)
            x = x.movedim(1, 3).flatten(1)
        x = torch.cat([x, labels], 1)
        for i in range(2):
            x = F.relu(self.apply(f"encoder.hidden.{i}", x))
        return self.apply("encoder.mean", x), self.apply("encoder.log_variance", x)

    def decode(self, z, labels):
        x = torch.cat([z, labels], 1)
        for i in range(2):
            x = F.relu(self.apply(f"decoder.hidden.{i}", x))
        x = self.apply("decoder.end", x)
        if self.conv:
            x = F.relu(x).reshape(-1, SIDE // 4, SIDE // 4, CHANNELS[1]).movedim(3, 1)
            x = F.relu(F.conv_transpose2d(x, *self.of("decoder.ups.0"), stride=2, padding=1))
            x = F.conv_transpose2d(x, *self.of("decoder.ups.1"), stride=2, padding=1).flatten(1)
        return x

    def log_likelihood(self, decoded, x, kind):
        if kind == "bernoulli":
            return -F.binary_cross_entropy_with_logits(decoded, x, reduction="none").sum(1)
        scale = self.v["decoder.log_scale"].exp()
        if kind == "gaussian":
            return torch.distributions.Normal(decoded, scale).log_prob(x).sum(1)
        half = 1 / 255
        high = torch.where(x > 1 - half, 1.0, torch.sigmoid((x + half - decoded) / scale))
        low = torch.where(x < half - 1, 0.0, torch.sigmoid((x - half - decoded) / scale))
        return (high - low).log().sum(1)


def curve(family, conv, settings):
    kind = settings.get("likelihood", "bernoulli")
    k = settings.get("samples", 1)
    net = Net(conv, kind != "bernoulli")
    optimizer = torch.optim.Adam(net.v.values(), lr=0.01, betas=(0.5, 0.9), eps=1e-3)
    found = []
    for step in range(1, STEPS + 1):
        x = torch.tensor(uniform(77, step * 16, BATCH * PIXELS).astype(np.float32).astype(np.float64))
        x = (2 * x - 1).reshape(BATCH, PIXELS)
        x = (x + 1) / 2 if kind == "bernoulli" else x
        labels = F.one_hot(torch.arange(BATCH) % CLASSES, CLASSES).double()
        mean, log_variance = net.encode(x, labels)
        kl = 0.5 * (mean**2 + log_variance.exp() - log_variance - 1)
        noise = rows(LATENT_DRAW, step, 0, k * BATCH, LATENT)
        z = mean.repeat(k, 1) + (0.5 * log_variance.repeat(k, 1)).exp() * noise
        log_x = net.log_likelihood(net.decode(z, labels.repeat(k, 1)), x.repeat(k, 1), kind)
        if family == "vae":
            weight = settings.get("beta", 1.0)
            if "warm_up" in settings:
                weight *= min((step - 1) / STEPS / settings["warm_up"], 1.0)
            loss = weight * kl.mean(0).clamp(min=settings.get("free_bits", 0.0)).sum() - log_x.mean()
            told = kl.mean(0).sum() - log_x.mean()
        else:
            prior = torch.distributions.Normal(0.0, 1.0)
            posterior = torch.distributions.Normal(mean.repeat(k, 1), (0.5 * log_variance.repeat(k, 1)).exp())
            log_w = log_x + prior.log_prob(z).sum(1) - posterior.log_prob(z).sum(1)
            told = loss = -(torch.logsumexp(log_w.reshape(k, BATCH), 0) - math.log(k)).mean()
        found.append([told.item(), kl.mean(0).sum().item()])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return found


def main():
    own = {"vae": [{}, {"beta": 4.0, "free_bits": 0.5, "warm_up": 0.5}], "iwae": [{"samples": 1}, {"samples": 3}]}
    likelihoods = [{}, {"likelihood": "gaussian"}, {"likelihood": "logistic"}]
    cases = []
    for family, variants in own.items():
        for conv in (False, True):
            for likelihood in likelihoods:
                for variant in variants:
                    settings = variant | likelihood
                    network = "conv" if conv else "dense"
                    cases.append({"family": family, "network": network, "settings": settings, "curve": curve(family, conv, settings)})
    lines = ",\n".join(json.dumps(case) for case in cases)
    (Path(__file__).parent / "variational.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
