# SPDX-License-Identifier: MIT
"""Writes the reference network as ONNX, in a process of its own: those who run it need no PyTorch in memory."""
import sys

import torch

from network import Network, random_batch

if __name__ == "__main__":
    file, batch, size, *heads = sys.argv[1:]
    torch.manual_seed(1)
    net = Network(heads).eval()
    images, _ = random_batch(int(batch), int(size))
    with torch.no_grad():
        torch.onnx.export(net, (images,), file, input_names=["images"], output_names=list(heads), dynamo=True, external_data=False)
