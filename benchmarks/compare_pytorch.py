#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The reference network here and in PyTorch, ONNX Runtime and OpenVINO, turn by turn in one session: medians and ratios.

    python benchmarks/compare_pytorch.py build/release/benchmarks/benchmark_step --what train --threads 2

Every competitor is a process of its own that stays alive and is asked for its runs in turn, so that what else happens on the
machine meets all of them. A ratio is the median over the rounds of competitor / umsrep within one round; above 1: umsrep is faster.

Competitors: pytorch, onnxruntime and openvino (these two predict only), followed by any of
    +channels_last   N, H, W, C in memory instead of PyTorch's default
    +compile         torch.compile; in prediction with weights frozen
    +fused           prediction only: TorchScript, frozen and optimised for inference (batch-norm folded, oneDNN's fusions)
    +jemalloc        memory from jemalloc that keeps what it has, in transparent huge pages
    +tcmalloc        memory from tcmalloc
    +hugepages       glibc's malloc that keeps what it has, in transparent huge pages
    +bf16            autocast to bfloat16
    +graphs          on a GPU: captured as a CUDA graph

--device cuda compares on a GPU. It has not been run on one yet.
"""
import argparse
import csv
import datetime
import glob
import json
import os
import pathlib
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

# This process imports nothing large: a child's peak of resident memory starts with that of its parent.

FOLDER = pathlib.Path(__file__).resolve().parent
PAUSE = 0.3  # seconds between turns: threads of a library go on looking for work for up to 0.2 s, on somebody else's core
HEADS = ("denoise", "lungs", "finding")
PROGRAMS = {"pytorch": "pytorch.py", "onnxruntime": "onnx_runtime.py", "openvino": "open_vino.py"}
LAYOUTS = ("channels_last", "compile", "fused", "bf16", "graphs")
ALLOCATORS = ("jemalloc", "tcmalloc", "hugepages")
DEFAULTS = {
    "train": ("pytorch", "pytorch+channels_last", "pytorch+compile", "pytorch+compile+channels_last",
              "pytorch+jemalloc", "pytorch+tcmalloc", "pytorch+hugepages",
              "pytorch+channels_last+jemalloc", "pytorch+channels_last+hugepages", "pytorch+compile+channels_last+jemalloc"),
    "predict": ("pytorch", "pytorch+channels_last", "pytorch+fused", "pytorch+compile", "pytorch+compile+channels_last",
                "pytorch+channels_last+jemalloc", "pytorch+fused+jemalloc", "pytorch+compile+jemalloc", "pytorch+fused+hugepages",
                "onnxruntime", "onnxruntime+jemalloc", "openvino", "openvino+hugepages"),
}
ON_CUDA = ("pytorch+channels_last+bf16", "pytorch+channels_last+bf16+graphs", "pytorch+compile+channels_last+bf16",
           "pytorch+compile+channels_last+bf16+graphs")


class Unavailable(Exception):
    pass


def preloaded(library, **more):
    found = sorted(glob.glob(f"/usr/lib/*/{library}") + glob.glob(f"/usr/lib*/{library}") + glob.glob(f"/usr/local/lib/{library}"))
    if not found:
        raise Unavailable(f"{library} is not installed")
    return {"LD_PRELOAD": found[0], **more}


def allocator_environment(name):
    """Memory once taken is kept, for to ask the system for it again in every step is what costs most."""
    if name == "jemalloc":
        return preloaded("libjemalloc.so.2", MALLOC_CONF="thp:always,metadata_thp:auto,background_thread:true,dirty_decay_ms:-1,muzzy_decay_ms:-1")
    if name == "tcmalloc":
        return preloaded("libtcmalloc_minimal.so.4", TCMALLOC_RELEASE_RATE="0")
    return {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=17179869184:glibc.malloc.trim_threshold=17179869184"}


def isa_environment(isa):
    if isa == "avx2":
        return {"UMSREP_CPU": "avx2", "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    return {}


class Process:
    """A program that answers lines; see peers/serving.py and `benchmark_step --serve`."""

    def __init__(self, name, command, environment, cores):
        self.name, self.command, self.environment = name, command, environment
        self.log = tempfile.TemporaryFile("w+")
        pin = (lambda: os.sched_setaffinity(0, cores)) if cores else None
        self.process = subprocess.Popen(command, env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.log, text=True, preexec_fn=pin)
        self.apart = None  # nanoseconds between its threads, where it says so
        self.facts = self.answer()
        if "unavailable" in self.facts:
            self.close()
            raise Unavailable(self.facts["unavailable"])

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.log.seek(0)
            lines = self.log.read().strip().splitlines()
            raise Unavailable(f"ended with {self.process.returncode}: {lines[-1] if lines else 'no message'}")
        return json.loads(line)

    def run(self, times):
        print(times, file=self.process.stdin, flush=True)
        answer = self.answer()
        self.apart = answer.get("threads_apart_ns")
        return answer["runs_ms"]

    def finish(self):
        self.process.stdin.close()
        self.facts.update(self.answer())
        self.close()

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()
        self.log.close()


class Session:
    def __init__(self, a, folder):
        self.a, self.folder = a, folder
        self.heads = HEADS if a.heads == "all" else (a.heads,)
        self.cores = set(sorted(os.sched_getaffinity(0))[: a.threads]) if a.pin else None
        self.onnx = None
        # Of the threads that a library starts without being asked, as many as of those that are counted.
        self.environment = {"OMP_NUM_THREADS": str(a.threads), "MKL_NUM_THREADS": str(a.threads), **isa_environment(a.isa)}

    def start_umsrep(self):
        a = self.a
        command = [a.program, "--serve", "--what", a.what, "--heads", a.heads, "--threads", str(a.threads), "--batch", str(a.batch),
                   "--size", str(a.size)]
        if a.backend:
            command += ["--backend", a.backend]
        return Process("umsrep", command, self.environment, self.cores)

    def start(self, name):
        a = self.a
        kind, *options = name.split("+")
        if kind != "pytorch" and a.what == "train":
            raise Unavailable("predicts only")
        if kind != "pytorch" and a.device == "cuda":
            raise Unavailable("computes here on processors only")
        if kind != "pytorch" and a.isa:
            raise Unavailable(f"cannot be held to {a.isa}")
        environment = dict(self.environment)
        command = [sys.executable, str(FOLDER / "peers" / PROGRAMS[kind]), "--what", a.what, "--threads", str(a.threads), "--batch", str(a.batch),
                   "--size", str(a.size), "--heads", *self.heads]
        if kind == "pytorch":
            command += ["--device", a.device]
        for option in options:
            if option in ALLOCATORS:
                environment.update(allocator_environment(option))
            elif kind == "pytorch":
                command.append(f"--{option}")
            else:
                raise Unavailable(f"has no option {option}")
        if kind != "pytorch":
            command += ["--model", self.exported()]
        return Process(name, command, environment, self.cores)

    def exported(self):
        if self.onnx is None:
            file = os.path.join(self.folder, "network.onnx")
            done = subprocess.run([sys.executable, str(FOLDER / "peers" / "export_onnx.py"), file, str(self.a.batch), str(self.a.size), *self.heads],
                                  capture_output=True, text=True)
            self.onnx = (file, None) if done.returncode == 0 else (None, (done.stderr.strip().splitlines() or ["no message"])[-1])
        if self.onnx[0] is None:
            raise Unavailable(f"export to ONNX: {self.onnx[1]}")
        return self.onnx[0]

    def turns(self, names):
        """One group: umsrep and those competitors alive together. Gives a row for each name."""
        rows, processes = [], []
        ours = self.start_umsrep()
        for name in names:
            try:
                processes.append(self.start(name))
            except Unavailable as reason:
                rows.append({"name": name, "unavailable": str(reason)})
        times = {p.name: [] for p in [ours, *processes]}
        apart = []
        for p in processes:
            if p.facts.get("parameters", ours.facts["parameters"]) != ours.facts["parameters"]:
                raise SystemExit(f"{p.name}: expected {ours.facts['parameters']} parameters, got {p.facts['parameters']}")
        for r in range(self.a.rounds if processes else 0):
            order = [ours, *processes]
            for p in order if r % 2 == 0 else order[::-1]:
                time.sleep(PAUSE)
                if self.a.what == "predict":
                    p.run(1)  # its code and weights back into the caches
                times[p.name].append(statistics.median(p.run(self.a.repeat)))
                far = f", its threads {p.apart:.0f} ns apart" if p.apart else ""
                if p is ours:
                    apart.append(p.apart)
                print(f"round {r + 1}: {p.name} {times[p.name][-1]:.1f} ms{far}", file=sys.stderr)
        for p in processes:
            p.finish()
        if processes:
            ours.finish()
        else:
            ours.close()
        for p in processes:
            ratios = [t / o for t, o in zip(times[p.name], times["umsrep"])]
            rows.append({"name": p.name, "ms": times[p.name], "median_ms": statistics.median(times[p.name]),
                         "umsrep_ms": times["umsrep"], "umsrep_threads_apart_ns": apart, "umsrep_median_ms": statistics.median(times["umsrep"]),
                         "ratio": statistics.median(ratios), "least_ratio": min(ratios), "largest_ratio": max(ratios),
                         "peak_resident_bytes": p.facts["peak_resident_bytes"], "umsrep_peak_resident_bytes": ours.facts["peak_resident_bytes"],
                         "facts": p.facts, "umsrep": ours.facts, "command": shlex.join(p.command),
                         "environment": {k: v for k, v in p.environment.items()}})
        return sorted(rows, key=lambda row: names.index(row["name"]))


def machine():
    def first(file, key):
        try:
            with open(file) as lines:
                return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), None)
        except OSError:
            return None

    def whole(file):
        try:
            return pathlib.Path(file).read_text().strip()
        except OSError:
            return None

    return {"cpu": first("/proc/cpuinfo", "model name") or platform.processor(), "family": first("/proc/cpuinfo", "cpu family"),
            "model": first("/proc/cpuinfo", "model\t"), "cores": len(os.sched_getaffinity(0)), "memory": first("/proc/meminfo", "MemTotal"),
            "system": platform.platform(), "python": platform.python_version(),
            "transparent_hugepage": whole("/sys/kernel/mm/transparent_hugepage/enabled"), "load_average": os.getloadavg()}


def print_table(rows):
    print(f"{'competitor':<40}{'ms':>10}{'umsrep ms':>11}{'ratio':>8}{'least':>8}{'most':>8}{'MB':>8}{'umsrep MB':>11}")
    for r in rows:
        if "unavailable" in r:
            print(f"{r['name']:<40}unavailable: {r['unavailable']}")
        else:
            print(f"{r['name']:<40}{r['median_ms']:>10.1f}{r['umsrep_median_ms']:>11.1f}{r['ratio']:>8.2f}{r['least_ratio']:>8.2f}{r['largest_ratio']:>8.2f}"
                  f"{r['peak_resident_bytes'] / 1e6:>8.0f}{r['umsrep_peak_resident_bytes'] / 1e6:>11.0f}")


def competitor(name):
    kind, *options = name.split("+")
    if kind not in PROGRAMS or len(set(options)) != len(options) or any(o not in LAYOUTS + ALLOCATORS for o in options):
        raise argparse.ArgumentTypeError(f"expected pytorch, onnxruntime or openvino with options as --help lists them, got {name}")
    if sum(o in ALLOCATORS for o in options) > 1:
        raise argparse.ArgumentTypeError(f"expected one allocator, got {name}")
    return name


def positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text}")
    return int(text)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="benchmark_step")
    parser.add_argument("--what", choices=("train", "predict"), default="train")
    parser.add_argument("--heads", choices=("all", *HEADS), default="all", help="all, or the network of one head")
    parser.add_argument("--threads", type=positive, default=2)
    parser.add_argument("--batch", type=positive, default=8)
    parser.add_argument("--size", type=positive, default=256)
    parser.add_argument("--rounds", type=positive, default=7, help="turns of each (7)")
    parser.add_argument("--repeat", type=positive, help="runs in a turn, of which the median counts (train 1, predict 5)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="of umsrep and of PyTorch (cpu)")
    parser.add_argument("--backend", help="of benchmark_step (its default; on a GPU cuda)")
    parser.add_argument("--isa", choices=("avx2",), help="hold umsrep and PyTorch to these instructions")
    parser.add_argument("--peers", type=competitor, nargs="+", metavar="NAME", help="competitors (a choice for --what)")
    parser.add_argument("--together", type=positive, default=3, help="competitors in memory at a time (3); umsrep takes turns with each group")
    parser.add_argument("--pin", action="store_true", help="pin every process to the first --threads cores")
    parser.add_argument("--json", metavar="FILE", help="write everything that was measured")
    parser.add_argument("--csv", metavar="FILE", help="write the table")
    a = parser.parse_args()
    a.program = os.path.abspath(a.program)
    if not os.access(a.program, os.X_OK):
        parser.error(f"program: expected benchmark_step, got {a.program}")
    a.repeat = a.repeat or (1 if a.what == "train" else 5)
    a.backend = a.backend or ("cuda" if a.device == "cuda" else None)
    defaults = ON_CUDA if a.device == "cuda" else [p for p in DEFAULTS[a.what] if not a.isa or p.startswith("pytorch")]
    a.peers = list(dict.fromkeys(a.peers or defaults))
    return a


def main():
    a = parse()
    if (load := os.getloadavg()[0]) > 0.5:
        print(f"the machine is busy (load {load:.1f}): these ratios are not to be trusted", file=sys.stderr)
    about = {"command": shlex.join(sys.argv), "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
             "machine": machine(), "options": vars(a)}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        session = Session(a, folder)
        for first in range(0, len(a.peers), a.together):
            rows += session.turns(a.peers[first:first + a.together])
            if a.json:  # what is there so far, should a later group fail
                pathlib.Path(a.json).write_text(json.dumps({**about, "results": rows}, indent=1) + "\n")
    print(f"{a.what}, heads {a.heads}, {a.threads} threads, batch {a.batch}, {a.size} x {a.size}, {a.rounds} rounds of {a.repeat}; {about['machine']['cpu']}")
    print_table(rows)
    measured = [r for r in rows if "unavailable" not in r]
    for fact in ("torch", "onnxruntime", "openvino"):
        for version in {r["facts"][fact] for r in measured if fact in r["facts"]}:
            print(f"{fact} {version}")
    if measured:
        u = measured[-1]["umsrep"]
        print(f"umsrep: backend {u['backend']}, {u['planned_bytes'] / 1e6:.0f} MB planned, direct GFLOP/s over the peak of "
              f"{u['fma_peak']['instructions']} multiply-adds ({u['fma_peak']['all_threads_gflops']:.0f}): {u['direct_over_peak']:.2f}")
    if a.csv:
        columns = ["name", "median_ms", "umsrep_median_ms", "ratio", "least_ratio", "largest_ratio", "peak_resident_bytes", "umsrep_peak_resident_bytes",
                   "unavailable"]
        with open(a.csv, "w", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
    if not measured:
        sys.exit("no competitor is available")


if __name__ == "__main__":
    main()
