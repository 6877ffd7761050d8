# SPDX-License-Identifier: MIT
"""PyTorch as a competitor; its environment (allocator, instruction set) is set by compare_pytorch.py."""
import torch

from network import Network, loss, random_batch
from serving import options, serve


def prepare(a):
    torch.set_num_threads(a.threads)
    torch.set_num_interop_threads(1)
    torch.manual_seed(1)
    net = Network(a.heads).to(a.device)
    facts = {"torch": torch.__version__, "parameters": sum(p.numel() for p in net.parameters()), "instructions": torch.backends.cpu.get_cpu_capability()}
    images, targets = random_batch(a.batch, a.size)
    images, targets = images.to(a.device), {name: t.to(a.device) for name, t in targets.items()}
    if a.device == "cuda":
        facts["device"] = torch.cuda.get_device_name()
        torch.backends.cudnn.benchmark = True  # as umsrep does: engines are chosen by measurement
    if a.channels_last:
        net, images = net.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    if a.what == "train":
        return training(a, net, images, targets), facts
    return prediction(a, net, images), facts


def training(a, net, images, targets):
    if a.fused:
        raise ValueError("batch-norm cannot be folded in training")
    net.train()
    optimizer = torch.optim.AdamW(net.parameters(), fused=True, capturable=a.graphs)

    def forward(x, wanted):
        with torch.autocast(a.device, torch.bfloat16, enabled=a.bf16):
            return loss(a.heads, net(x), wanted)

    if a.compile:
        forward = torch.compile(forward)

    def step():
        optimizer.zero_grad()
        forward(images, targets).backward()
        optimizer.step()

    if a.graphs:
        step = captured(step)
    return finished(a, step)


def finished(a, run):
    """On a device a run is over when the device is."""
    if a.device == "cpu":
        return run

    def run_and_wait():
        run()
        torch.cuda.synchronize()

    return run_and_wait


def captured(run):
    """A CUDA graph of it, as PyTorch's documentation has it: a few runs beside the stream, then one that is captured."""
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


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
        with torch.no_grad() if a.compile else torch.inference_mode(), torch.autocast(a.device, torch.bfloat16, enabled=a.bf16):
            run(images)

    for _ in range(3):  # TorchScript's profiling runs, inductor's compilation
        predict()
    return finished(a, captured(predict) if a.graphs else predict)


if __name__ == "__main__":
    flag = {"action": "store_true"}
    arguments = options(("--channels_last", flag), ("--compile", flag), ("--fused", flag), ("--bf16", flag), ("--graphs", flag),
                        ("--device", {"choices": ("cpu", "cuda"), "default": "cpu"}))
    serve(lambda: prepare(arguments))
