"""The networks of `gan` and `dcgan` in PyTorch, array for array, with the names that ours have."""

import torch
import torch.nn.functional as F
from torch import nn


class MlpGenerator(nn.Module):
    def __init__(self, latent=100, hidden=(128, 256, 512, 1024), outputs=784):
        super().__init__()
        widths = (latent, *hidden, outputs)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))

    def forward(self, z):
        for layer in self.layers[:-1]:
            z = F.relu(layer(z))
        return torch.tanh(self.layers[-1](z))


class MlpDiscriminator(nn.Module):
    def __init__(self, inputs=784, hidden=(1024, 512, 256, 128), slope=0.2):
        super().__init__()
        widths = (inputs, *hidden, 1)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))
        self.slope = slope

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = F.leaky_relu(layer(x), self.slope)
        return self.layers[-1](x)


def stages(size, channels, width, max_width):
    """Channels and side of each picture inside, smallest first: sides are halved until they are below 8."""
    pictures, outputs = [(channels, size)], width
    while size >= 8:
        size //= 2
        pictures.append((min(outputs, max_width), size))
        outputs *= 2
    return pictures[::-1]


class Norm(nn.BatchNorm2d):
    """Batch normalisation; with classes each has its own scale and shift."""

    def __init__(self, channels, classes):
        super().__init__(channels, affine=not classes)
        if classes:
            self.gamma = nn.Parameter(torch.ones(classes, channels))
            self.beta = nn.Parameter(torch.zeros(classes, channels))

    def forward(self, x, labels=None):
        x = super().forward(x)
        if labels is not None:
            x = x * (labels @ self.gamma)[:, :, None, None] + (labels @ self.beta)[:, :, None, None]
        return F.relu(x)


class Generator(nn.Module):
    def __init__(self, size, channels, latent, width=64, max_width=256, classes=0):
        super().__init__()
        self.pictures = stages(size, channels, width, max_width)
        first, side = self.pictures[0]
        self.start = nn.Linear(latent + classes, first * side * side)
        self.norms = nn.ModuleList(Norm(c, classes) for c, _ in self.pictures[:-1])
        pairs = zip(self.pictures, self.pictures[1:])
        self.ups = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, 2, 1) for (a, _), (b, _) in pairs)

    def forward(self, z, labels=None):
        z = z if labels is None else torch.cat([z, labels], 1)
        channels, side = self.pictures[0]
        x = self.start(z).reshape(-1, channels, side, side)
        for norm, up in zip(self.norms, self.ups):
            x = up(norm(x, labels))
        return torch.tanh(x)


class Discriminator(nn.Module):
    def __init__(self, size, channels, width=64, max_width=256, slope=0.2, classes=0):
        super().__init__()
        self.pictures = stages(size, channels, width, max_width)
        pairs = zip(self.pictures[::-1], self.pictures[-2::-1])
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for (a, _), (b, _) in pairs)
        last, side = self.pictures[0]
        self.end = nn.Linear(last * side * side, 1)
        self.classes = nn.Linear(classes, last * side * side, bias=False) if classes else None
        self.slope = slope

    def forward(self, x, labels=None):
        for down in self.downs:
            x = F.leaky_relu(down(x), self.slope)
        x = x.flatten(1)
        logit = self.end(x)
        return logit if labels is None else logit + (x * self.classes(labels)).sum(1, keepdim=True)
