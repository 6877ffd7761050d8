# SPDX-License-Identifier: MIT
"""PyTorch as a competitor; its environment (allocator, instruction set) is set by compare_pytorch.py."""
import torch

from network import Network, loss, random_batch
from serving import options, serve


def prepare(a):
    torch.set_num_threads(a.threads)
    torch.set_num_interop_threads(1)
    torch.manual_seed(1)
    net = Network(a.heads)
    facts = {"torch": torch.__version__, "parameters": sum(p.numel() for p in net.parameters()), "instructions": torch.backends.cpu.get_cpu_capability()}
    images, targets = random_batch(a.batch, a.size)
    if a.channels_last:
        net, images = net.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    if a.what == "train":
        return training(a, net, images, targets), facts
    return prediction(a, net, images), facts


def training(a, net, images, targets):
    if a.fused:
        raise ValueError("batch-norm cannot be folded in training")
    net.train()
    optimizer = torch.optim.AdamW(net.parameters(), fused=True)

    def forward(x, wanted):
        return loss(a.heads, net(x), wanted)

    if a.compile:
        forward = torch.compile(forward)

    def step():
        optimizer.zero_grad()
        forward(images, targets).backward()
        optimizer.step()

    return step


def prediction(a, net, images):
    net.eval()
    if a.compile:
        import torch._inductor.config as inductor

        inductor.freezing = True  # weights as constants: batch-norm folded, weights packed for oneDNN
        run = torch.compile(net)
    elif a.fused:
        with torch.no_grad():
            run = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(net, images)))
    else:
        run = net

    def predict():
        with torch.no_grad() if a.compile else torch.inference_mode():
            run(images)

    for _ in range(3):  # TorchScript's profiling runs, inductor's compilation
        predict()
    return predict


if __name__ == "__main__":
    flag = {"action": "store_true"}
    arguments = options(("--channels_last", flag), ("--compile", flag), ("--fused", flag))
    serve(lambda: prepare(arguments))
