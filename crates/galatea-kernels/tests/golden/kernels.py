"""What PyTorch computes where a kernel follows its formulas, in double precision.

`python kernels.py` (needs torch) writes `kernels.json`, which `tests/kernels.rs` compares with. Arrays are filled by a
rule that both sides know, with values that are exact in single precision.
"""

import json
import math
from pathlib import Path

import torch

torch.set_default_dtype(torch.float64)


def fill(which, *shape):
    values = [((37 * i + 11 * which) % 41) / 32 - 0.625 for i in range(math.prod(shape))]
    return torch.tensor(values).reshape(shape)


def numbers(x):
    return [float(f"{value:.12g}") for value in x.detach().flatten().tolist()]


def recurrent(kind, time, batch, inputs, hidden):
    lstm = kind == "lstm"
    layer = (torch.nn.LSTM if lstm else torch.nn.GRU)(inputs, hidden)
    gates = 4 if lstm else 3
    x, w, u = fill(0, time, batch, inputs), fill(1, inputs, gates * hidden), fill(2, hidden, gates * hidden)
    bias, h, c = fill(3, 4 * hidden), fill(4, batch, hidden), fill(5, batch, hidden)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(w.T)
        layer.weight_hh_l0.copy_(u.T)
        layer.bias_ih_l0.copy_(bias[: gates * hidden])
        layer.bias_hh_l0.zero_()
        if not lstm:
            layer.bias_hh_l0[2 * hidden :] = bias[3 * hidden :]
    for leaf in (x, h, c):
        leaf.requires_grad_()
    upstream = [fill(10, time, batch, hidden), fill(11, batch, hidden), fill(12, batch, hidden)]
    if lstm:
        y, (last, cell) = layer(x, (h[None], c[None]))
    else:
        (y, last), cell = layer(x, h[None]), torch.zeros(batch, hidden)
    objective = sum((value * u).sum() for value, u in zip((y, last[0], cell.reshape(batch, hidden)), upstream))
    objective.backward()
    bias = layer.bias_ih_l0.grad
    if not lstm:
        bias = torch.cat([bias, layer.bias_hh_l0.grad[2 * hidden :]])
    found = {"y": y, "h": last, "dx": x.grad, "dw": layer.weight_ih_l0.grad.T, "du": layer.weight_hh_l0.grad.T}
    found |= {"dbias": bias, "dh": h.grad}
    if lstm:
        found |= {"c": cell, "dc": c.grad}
    return {"shape": [time, batch, inputs, hidden]} | {key: numbers(value) for key, value in found.items()}


def norm(kind, n, pixels, channels):
    epsilon, slope = 1 / 1024, torch.tensor(0.3, dtype=torch.float32).double()
    x, gamma, beta = fill(0, n, pixels, channels), fill(1, channels), fill(2, channels)
    for leaf in (x, gamma, beta):
        leaf.requires_grad_()
    pictures = x.transpose(1, 2)  # PyTorch has channels first
    found = {}
    if kind == "layer_norm":
        y = torch.nn.functional.layer_norm(x, [channels], gamma, beta, epsilon)
    elif kind == "group_norm":
        y = torch.nn.functional.group_norm(pictures, 3, gamma, beta, epsilon).transpose(1, 2)
    else:
        mean, variance = fill(4, channels), torch.ones(channels)
        y = torch.nn.functional.batch_norm(pictures, mean, variance, gamma, beta, True, 0.25, epsilon).transpose(1, 2)
        found = {"running_mean": mean, "running_variance": variance}
    y = torch.where(y > 0, y, slope * y)
    (y * fill(3, n, pixels, channels)).sum().backward()
    found |= {"y": y, "dx": x.grad, "dgamma": gamma.grad, "dbeta": beta.grad}
    return {key: numbers(value) for key, value in found.items()}


def optimizer(make):
    values = fill(0, 41).requires_grad_()
    steps = make([values])
    for step in (1, 2, 3):
        values.grad = fill(step, 41)
        steps.step()
    return numbers(values)


def optimizers():
    adam, rms = dict(lr=0.125, betas=(0.5, 0.875), eps=0.0625), dict(lr=0.125, alpha=0.875, eps=0.0625)
    return {
        "adam": optimizer(lambda p: torch.optim.Adam(p, **adam)),
        "adamw": optimizer(lambda p: torch.optim.AdamW(p, weight_decay=0.25, **adam)),
        "rmsprop": optimizer(lambda p: torch.optim.RMSprop(p, **rms)),
        "rmsprop_momentum": optimizer(lambda p: torch.optim.RMSprop(p, momentum=0.75, **rms)),
        "sgd": optimizer(lambda p: torch.optim.SGD(p, lr=0.125)),
        "sgd_momentum": optimizer(lambda p: torch.optim.SGD(p, lr=0.125, momentum=0.75)),
        "sgd_nesterov": optimizer(lambda p: torch.optim.SGD(p, lr=0.125, momentum=0.75, nesterov=True)),
    }


def main():
    golden = {kind: recurrent(kind, 3, 2, 3, 4) for kind in ("lstm", "gru")}
    golden |= {kind: norm(kind, 4, 3, 6) for kind in ("batch_norm", "group_norm", "layer_norm")}
    golden["optimizers"] = optimizers()
    Path(__file__).with_suffix(".json").write_text(json.dumps(golden, indent=None, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
