# SPDX-License-Identifier: MIT
"""One process for each competitor, asked for a few runs at a time over a pipe, so that the runs of all of them take turns.

First line out: {"ready": true, ...facts} or {"unavailable": why}. Then for each line in, a number of runs, {"runs_ms": their milliseconds}.
At the end of input one object more: what was measured along the way.
"""
import argparse
import json
import os
import resource
import sys
import time


def options(*more):
    parser = argparse.ArgumentParser()
    parser.add_argument("--what", choices=("train", "predict"), required=True)
    for name in ("threads", "batch", "size"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--heads", nargs="+", required=True)
    for name, arguments in more:
        parser.add_argument(name, **arguments)
    return parser.parse_args()


def serve(prepare):
    """`prepare()` gives the function to time and facts about it. Whatever it raises is the reason why this competitor is unavailable."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print does not mix with the answers

    def answer(value):
        print(json.dumps(value), file=out, flush=True)

    try:
        run, facts = prepare()
        run()
    except Exception as reason:
        answer({"unavailable": " ".join(f"{type(reason).__name__}: {reason}".split())[:300]})
        return
    answer({"ready": True, **facts})
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            run()
            times.append(1e3 * (time.perf_counter() - start))
        answer({"runs_ms": times})
    answer({"peak_resident_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)})
