"""Ten-step loss curves of `gan` and `dcgan` in PyTorch, in double precision and with its double backward.

`python adversarial.py` (needs torch and numpy) writes `adversarial.json`, which `tests/golden.rs` compares with.
Networks, noise and data are made of Philox numbers, so that both sides start from the same values.
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
STEPS, BATCH, LATENT, SIDE, CLASSES, SEED, SLOPE = 10, 6, 5, 16, 3, 5, 0.2
LATENT_DRAW, INSTANCE_DRAW, BETWEEN_DRAW = 3, 4, 5


def words(seed, stream, count):
    """Philox4x32-10: key = seed, counter = (block, stream)."""
    blocks = np.arange((count + 3) // 4, dtype=np.uint64)
    mask = np.uint64(0xFFFFFFFF)
    low = lambda v: v & mask
    high = lambda v: v >> np.uint64(32)
    c = [low(blocks), high(blocks), np.full_like(blocks, stream & 0xFFFFFFFF), np.full_like(blocks, stream >> 32)]
    k = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [high(b) ^ c[1] ^ np.uint64(k[0]), low(b), high(a) ^ c[3] ^ np.uint64(k[1]), low(a)]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return np.stack(c, 1).reshape(-1)[:count]


def uniform(seed, stream, count):
    return (words(seed, stream, count) >> np.uint64(8)).astype(np.float64) / 2.0**24


def normal(seed, stream, count):
    w = words(seed, stream, (count + 1) // 2 * 2).astype(np.float64).reshape(-1, 2)
    radius, angle = np.sqrt(-2 * np.log((w[:, 0] + 0.5) / 2.0**32)), 2 * np.pi * w[:, 1] / 2.0**32
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)[:count].astype(np.float32)


def rows(kind, step, round_, n, width, draw=normal):
    streams = [kind << 56 | round_ << 48 | row << 32 | step for row in range(n)]
    return torch.tensor(np.stack([draw(SEED, s, width) for s in streams]).astype(np.float64))


def fnv(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def fill(name, shape):
    """The rule by which both sides fill an array; in single precision, as the other side has it."""
    u = uniform(fnv(name), 0, math.prod(shape)).astype(np.float32).reshape(shape)
    leaf = name.split(".")[-1]
    scale, offset = {"weight": (0.6, -0.3), "bias": (0.2, -0.1), "gamma": (0.4, 0.8), "beta": (0.2, -0.1),
                     "singular": (1.0, 0.1)}[leaf]
    values = torch.tensor((np.float32(scale) * u + np.float32(offset)).astype(np.float64))
    return values if leaf == "singular" else values.requires_grad_()


class Net:
    def __init__(self, part, shapes):
        self.v = {name: fill(f"{part}.{name}", shape) for name, shape in shapes.items()}

    def trained(self):
        return [v for v in self.v.values() if v.requires_grad]

    def weight(self, layer):
        w, u = self.v[f"{layer}.weight"], self.v.get(f"{layer}.singular")
        if u is None:
            return w
        m = w.reshape(w.shape[0], -1)
        v = m.detach().T @ u
        return w / (u @ (m @ (v / (v.norm() + 1e-12))))

    def iterate(self):
        for name, u in self.v.items():
            if name.endswith("singular"):
                m = self.v[name.replace("singular", "weight")].detach()
                m = m.reshape(m.shape[0], -1)
                v = m.T @ u
                u = m @ (v / v.norm())
                self.v[name] = u / u.norm()


def with_labels(x, y):
    return x if y is None else torch.cat([x, y], 1)


def singular(shapes, layers, on):
    if on:
        shapes.update({f"{layer}.singular": [shapes[f"{layer}.weight"][0]] for layer in layers})
    return shapes


class Mlp:
    """Hidden widths 12 and 10."""

    def __init__(self, c, spectral):
        sizes = lambda a, z: [(a, 12), (12, 10), (10, z)]
        shapes = lambda s: {f"layers.{i}.{k}": ([a, b] if k == "weight" else [b])
                            for i, (a, b) in enumerate(s) for k in ("weight", "bias")}
        self.g = Net("generator", shapes(sizes(LATENT + c, SIDE * SIDE)))
        d = shapes(sizes(SIDE * SIDE + c, 1))
        self.d = Net("discriminator", singular(d, [f"layers.{i}" for i in range(3)], spectral))

    def generate(self, z, y):
        x = with_labels(z, y)
        for i in range(3):
            x = x @ self.g.weight(f"layers.{i}") + self.g.v[f"layers.{i}.bias"]
            x = torch.relu(x) if i < 2 else torch.tanh(x)
        return x

    def judge(self, x, y):
        x = with_labels(x, y)
        for i in range(3):
            x = x @ self.d.weight(f"layers.{i}") + self.d.v[f"layers.{i}.bias"]
            x = F.leaky_relu(x, SLOPE) if i < 2 else x
        return x


class Conv:
    """Width 4: pictures of 8 channels and 4x4, 4 channels and 8x8, 1 channel and 16x16."""

    def __init__(self, c, spectral):
        r = max(c, 1)
        self.g = Net("generator", {
            "start.weight": [LATENT + c, 128], "start.bias": [128],
            "norms.0.gamma": [r, 8], "norms.0.beta": [r, 8], "norms.1.gamma": [r, 4], "norms.1.beta": [r, 4],
            "ups.0.weight": [8, 4, 4, 4], "ups.0.bias": [4], "ups.1.weight": [4, 1, 4, 4], "ups.1.bias": [1]})
        d = {"downs.0.weight": [4, 1, 4, 4], "downs.0.bias": [4], "downs.1.weight": [8, 4, 4, 4], "downs.1.bias": [8],
             "end.weight": [128, 1], "end.bias": [1]}
        singular(d, ["downs.0", "downs.1", "end"], spectral)
        if c:
            d["classes.weight"] = [c, 128]
        self.d = Net("discriminator", d)

    def norm(self, i, x, y):
        mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True, unbiased=False)
        g, b = self.g.v[f"norms.{i}.gamma"], self.g.v[f"norms.{i}.beta"]
        g, b = (g, b) if y is None else (y @ g, y @ b)
        return torch.relu((x - mean) / (var + 1e-5).sqrt() * g[:, :, None, None] + b[:, :, None, None])

    def generate(self, z, y):
        x = (with_labels(z, y) @ self.g.v["start.weight"] + self.g.v["start.bias"])
        x = x.reshape(-1, 4, 4, 8).permute(0, 3, 1, 2)  # rows hold pictures channels last
        x = F.conv_transpose2d(self.norm(0, x, y), self.g.v["ups.0.weight"], self.g.v["ups.0.bias"], 2, 1)
        x = F.conv_transpose2d(self.norm(1, x, y), self.g.v["ups.1.weight"], self.g.v["ups.1.bias"], 2, 1)
        return torch.tanh(x).reshape(-1, SIDE * SIDE)

    def judge(self, x, y):
        x = x.reshape(-1, 1, SIDE, SIDE)
        for i in range(2):
            x = F.leaky_relu(F.conv2d(x, self.d.weight(f"downs.{i}"), self.d.v[f"downs.{i}.bias"], 2, 1), SLOPE)
        h = x.permute(0, 2, 3, 1).flatten(1)
        logit = h @ self.d.weight("end") + self.d.v["end.bias"]
        return logit if y is None else logit + (h * (y @ self.d.v["classes.weight"])).sum(1, keepdim=True)


def losses(name, real, fake, smooth):
    s = F.softplus
    bce = (1 - smooth) * s(-real).mean() + smooth * s(real).mean() + s(fake).mean()
    return {
        "non-saturating": (lambda: bce, lambda r, f: s(-f).mean()),
        "minimax": (lambda: bce, lambda r, f: -s(f).mean()),
        "least-squares": (lambda: 0.5 * (((real - 1 + smooth) ** 2).mean() + (fake**2).mean()),
                          lambda r, f: 0.5 * ((f - 1) ** 2).mean()),
        "hinge": (lambda: F.relu(1 - real).mean() + F.relu(1 + fake).mean(), lambda r, f: -f.mean()),
        "wasserstein": (lambda: fake.mean() - real.mean(), lambda r, f: -f.mean()),
        "relativistic": (lambda: s(fake - real).mean(), lambda r, f: s(r - f).mean()),
    }[name]


class Adam:
    def __init__(self, params, c):
        self.c, self.opt = c, torch.optim.Adam(params, betas=(0.5, 0.9), eps=1e-3)

    def descend(self, loss, turn):
        rate = {"constant": 1.0, "linear": 1 - turn, "cosine": 0.5 * (1 + math.cos(math.pi * turn))}[self.c["schedule"]]
        params = self.opt.param_groups[0]["params"]
        self.opt.param_groups[0]["lr"] = 0.01 * rate
        for p, g in zip(params, torch.autograd.grad(loss, params)):
            p.grad = g
        if self.c["clip_gradient"]:
            norm = math.sqrt(sum(float((p.grad**2).sum()) for p in params))
            for p in params:
                p.grad *= min(1.0, self.c["clip_gradient"] / norm)
        self.opt.step()


DEFAULTS = dict(loss="non-saturating", conditional="no", schedule="constant", discriminator_steps=1, r1=0.0, r2=0.0,
                gradient_penalty=0.0, penalty_every=1, label_smoothing=0.0, instance_noise=0.0, spectral_norm=False,
                clip_gradient=0.0)
CASES = [
    dict(), dict(conditional="yes"), dict(loss="minimax", schedule="linear"),
    dict(loss="least-squares", label_smoothing=0.1), dict(loss="hinge", spectral_norm=True, conditional="yes"),
    dict(loss="wasserstein", gradient_penalty=10.0), dict(loss="relativistic", r1=2.0, r2=3.0, conditional="yes"),
    dict(r1=5.0, penalty_every=2, label_smoothing=0.2, conditional="yes"), dict(spectral_norm=True, r1=1.0),
    dict(discriminator_steps=2, instance_noise=0.3, schedule="cosine"), dict(clip_gradient=0.05, r2=1.0),
    dict(loss="wasserstein", gradient_penalty=5.0, penalty_every=3, conditional="yes", discriminator_steps=2),
]


def run(make, case):
    c = {**DEFAULTS, **case}
    labelled = c["conditional"] == "yes"
    y = F.one_hot(torch.arange(BATCH) % CLASSES, CLASSES).double() if labelled else None
    net = make(CLASSES if labelled else 0, c["spectral_norm"])
    for d in (net.d, net.g):
        for name, u in d.v.items():
            if name.endswith("singular"):
                d.v[name] = (u / u.norm()).float().double()
    adam_g, adam_d = Adam(net.g.trained(), c), Adam(net.d.trained(), c)
    curve = []
    for step in range(1, STEPS + 1):
        turn = (step - 1) / STEPS
        noisy = lambda x, r: x if not c["instance_noise"] else x + c["instance_noise"] * (1 - turn) * rows(
            INSTANCE_DRAW, step, r, BATCH, SIDE * SIDE)
        slope = lambda x: torch.autograd.grad(net.judge(x, y).sum(), x, create_graph=True)[0]
        last = c["discriminator_steps"]
        for r in range(last):
            data = (2 * uniform(77, step * 16 + r, BATCH * SIDE * SIDE).astype(np.float32) - 1).astype(np.float64)
            x = noisy(torch.tensor(data).reshape(BATCH, -1), 2 * r)
            fake = noisy(net.generate(rows(LATENT_DRAW, step, r, BATCH, LATENT), y).detach(), 2 * r + 1)
            net.d.iterate()
            real = net.judge(x, y)
            loss = loss_d = losses(c["loss"], real, net.judge(fake, y), c["label_smoothing"])[0]()
            if step % c["penalty_every"] == 0:
                for gamma, at in ((c["r1"], x), (c["r2"], fake)):
                    if gamma:
                        g = slope(at.clone().requires_grad_())
                        loss = loss + c["penalty_every"] * gamma / 2 * (g**2).sum() / BATCH
                if c["gradient_penalty"]:
                    e = rows(BETWEEN_DRAW, step, r, BATCH, 1, uniform)
                    g = slope((fake + (x - fake) * e).requires_grad_())
                    gap = (((g**2).sum(1) + 1e-12).sqrt() - 1) ** 2
                    loss = loss + c["penalty_every"] * c["gradient_penalty"] * gap.mean()
            adam_d.descend(loss, turn)
        fake = noisy(net.generate(rows(LATENT_DRAW, step, last, BATCH, LATENT), y), 2 * last)
        real, judged = net.judge(x, y), net.judge(fake, y)
        loss_g = losses(c["loss"], real, judged, 0.0)[1](real, judged)
        adam_g.descend(loss_g, turn)
        curve.append([float(loss_d), float(loss_g)])
    return dict(settings=c, curve=curve)


if __name__ == "__main__":
    result = {"gan": [run(Mlp, case) for case in CASES], "dcgan": [run(Conv, case) for case in CASES]}
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
