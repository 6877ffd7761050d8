# SPDX-License-Identifier: MIT
"""The reference network in PyTorch beside ours, runs in turn, medians and their ratio.

    pip install torch
    cmake --preset release -DUMSREP_NATIVE=ON -DUMSREP_BUILD_BENCHMARKS=ON && cmake --build --preset release --target benchmark_step
    python benchmarks/compare_pytorch.py build/release/benchmarks/benchmark_step train --threads 2 --batch 8 --rounds 7
"""
import argparse
import json
import platform
import statistics
import subprocess
import time

import torch
import torch.nn.functional as F
from torch import nn


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
    def __init__(self):
        super().__init__()
        widths = (1, 32, 64, 128, 256, 512)
        self.stages = nn.ModuleList(block(a, b) for a, b in zip(widths, widths[1:]))
        self.denoise, self.lungs, self.finding = Decoder(), Decoder(), nn.Linear(512, 3)

    def forward(self, x):
        skips = []
        for i, stage in enumerate(self.stages):
            x = stage(F.max_pool2d(x, 2) if i else x)
            skips.append(x)
        return self.denoise(skips[:-1], x), self.lungs(skips[:-1], x), self.finding(x.mean((2, 3)))


def loss(out, clean, mask, kind):
    denoised, lungs, finding = out
    p = torch.sigmoid(lungs)
    dice = 1 - (2 * (p * mask).sum((1, 2, 3)) + 1) / (p.sum((1, 2, 3)) + mask.sum((1, 2, 3)) + 1)
    return F.l1_loss(denoised, clean) + dice.mean() + F.binary_cross_entropy_with_logits(lungs, mask) + F.cross_entropy(finding, kind)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="benchmark_step")
    parser.add_argument("what", choices=("train", "predict"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--contiguous", action="store_true", help="PyTorch's default layout instead of channels_last")
    a = parser.parse_args()

    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    layout = torch.contiguous_format if a.contiguous else torch.channels_last
    net = Network().to(memory_format=layout)
    images = torch.rand(a.batch, 1, a.size, a.size).to(memory_format=layout)
    clean, mask = torch.rand_like(images), (torch.rand_like(images) > 0.5).float()
    kind = torch.randint(0, 3, (a.batch,))
    optimizer = torch.optim.AdamW(net.parameters())

    def step():
        if a.what == "train":
            net.train()
            optimizer.zero_grad()
            loss(net(images), clean, mask, kind).backward()
            optimizer.step()
        else:
            net.eval()
            with torch.inference_mode():
                net(images)

    step()
    theirs, ours = [], []
    for _ in range(a.rounds):
        start = time.perf_counter()
        step()
        theirs.append(1e3 * (time.perf_counter() - start))
        out = subprocess.run([a.program, a.what, str(a.threads), str(a.batch), "1", str(a.size)], check=True, capture_output=True, text=True)
        ours.append(float(out.stdout.split()[-1]))
    pair = [t / o for t, o in zip(theirs, ours)]
    print(json.dumps({"what": a.what, "threads": a.threads, "batch": a.batch, "size": a.size, "torch": torch.__version__,
                      "layout": "contiguous" if a.contiguous else "channels_last", "machine": platform.processor() or platform.machine(),
                      "pytorch_ms": round(statistics.median(theirs), 1), "umsrep_ms": round(statistics.median(ours), 1),
                      "pytorch_over_umsrep": round(statistics.median(pair), 3)}))


if __name__ == "__main__":
    main()
