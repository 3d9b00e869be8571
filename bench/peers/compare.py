"""Compares the networks of a case with what `bench_steps --dump DIR` wrote: our weights, what our generator makes of
latent vectors, and what our discriminator says of a batch. Counts the floating-point operations of a step, too."""

from pathlib import Path

import numpy
import torch
from torch.utils.flop_counter import FlopCounterMode


def compare(gan, folder):
    """The largest differences between ours and PyTorch's, and its count of operations."""
    arrays = {path.stem: torch.from_numpy(numpy.load(path)) for path in Path(folder).glob("*.npy")}
    with torch.no_grad():
        fill(gan.generator, arrays, "sampling.")
        images = gan.generator.eval()(arrays["latents"])
        gan.generator.train()
        difference_g = (images.flatten(1) - arrays["images"].flatten(1)).abs().max().item()
        fill(gan.discriminator, arrays, "discriminator.")
        x = arrays["real"].reshape_as(gan.real[0])
        judged = torch.sigmoid(gan.discriminator(x)).mean().item()
        difference_d = abs(judged - arrays["judged"].item())
    counter = FlopCounterMode(display=False)
    with counter:
        gan.step()
    return {
        "parameters": gan.parameters(),
        "shape": list(images.shape),
        "spread": images.std().item(),
        "generator_difference": difference_g,
        "judged": judged,
        "discriminator_difference": difference_d,
        "flops": counter.get_total_flops(),
    }


def fill(network, arrays, prefix):
    """Our arrays into the network; a missing, unused or misshapen one is an error."""
    ours = {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
    for name, module in network.named_modules():
        names = {"weight": "weight", "bias": "bias"}
        if isinstance(module, torch.nn.BatchNorm2d):
            names = {"weight": "gamma", "bias": "beta", "running_mean": "mean", "running_var": "variance"}
        for theirs, mine in names.items():
            target = getattr(module, theirs, None)
            if target is None:
                continue
            value = ours.pop(f"{name}.{mine}")
            value = value.T if isinstance(module, torch.nn.Linear) and theirs == "weight" else value
            value = value.flatten() if isinstance(module, torch.nn.BatchNorm2d) else value
            value = channels_first(network, name, value) if hasattr(network, "pictures") else value
            if value.shape != target.shape:
                raise ValueError(f"{name}.{mine} is {list(value.shape)}, not {list(target.shape)}")
            target.copy_(value)
    if ours:
        raise ValueError(f"not in PyTorch's network: {', '.join(ours)}")


def channels_first(network, name, value):
    """Our flattened pictures have their channels last, PyTorch's first: the arrays beside them in PyTorch's order."""
    channels, side = network.pictures[0]
    if name == "start":
        return value.unflatten(0, (side, side, channels)).movedim(2, 0).flatten(0, 2)
    if name == "end" and value.dim() == 2:
        return value.unflatten(1, (side, side, channels)).movedim(3, 1).flatten(1)
    return value
