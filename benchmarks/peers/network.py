# SPDX-License-Identifier: MIT
"""The reference network of benchmarks/reference_net.hpp in PyTorch: same layers, same parameters, same losses."""
import torch
import torch.nn.functional as F
from torch import nn

HEADS = ("denoise", "lungs", "finding")


def block(inputs, width):
    layers = []
    for channels in (inputs, width):
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, stride=2) for c in (256, 128, 64, 32))
        self.blocks = nn.ModuleList(block(2 * c, c) for c in (256, 128, 64, 32))
        self.last = nn.Conv2d(32, 1, 1)

    def forward(self, skips, x):
        for up, layers, skip in zip(self.up, self.blocks, reversed(skips)):
            x = layers(torch.cat([up(x), skip], 1))
        return self.last(x)


class Network(nn.Module):
    """Returns the logits of its heads in training, and what `predict` returns otherwise: behind sigmoid and softmax."""

    def __init__(self, heads=HEADS):
        super().__init__()
        widths = (1, 32, 64, 128, 256, 512)
        self.stages = nn.ModuleList(block(a, b) for a, b in zip(widths, widths[1:]))
        self.heads = nn.ModuleDict({h: nn.Linear(512, 3) if h == "finding" else Decoder() for h in heads})

    def forward(self, x):
        skips = []
        for i, stage in enumerate(self.stages):
            x = stage(F.max_pool2d(x, 2) if i else x)
            skips.append(x)
        out = []
        for name, head in self.heads.items():
            y = head(x.mean((2, 3))) if name == "finding" else head(skips[:-1], x)
            if not self.training:
                y = {"denoise": lambda v: v, "lungs": torch.sigmoid, "finding": lambda v: v.softmax(1)}[name](y)
            out.append(y)
        return tuple(out)


def loss(heads, out, targets):
    total = 0
    for name, y in zip(heads, out):
        target = targets[name]
        if name == "denoise":
            total = total + F.l1_loss(y, target)
        elif name == "lungs":
            p = torch.sigmoid(y)
            dice = 1 - (2 * (p * target).sum((1, 2, 3)) + 1) / (p.sum((1, 2, 3)) + target.sum((1, 2, 3)) + 1)
            total = total + dice.mean() + F.binary_cross_entropy_with_logits(y, target)
        else:
            total = total + F.cross_entropy(y, target)
    return total


def random_batch(n, size):
    images = torch.rand(n, 1, size, size)
    return images, {"denoise": torch.rand_like(images), "lungs": (torch.rand_like(images) > 0.5).float(), "finding": torch.randint(0, 3, (n,))}
