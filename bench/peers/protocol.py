"""How a peer talks with `cargo xtask bench`: a JSON object per line, requests on stdin and answers on stdout.

    {"steps": 10} or {"seconds": 2.0}   ->   {"ms": [9.7, ..], "peak_memory_bytes": 123456789}

A process is for one case and lives through all rounds, so that starting and compiling are paid once; between requests
it waits. It ends with its stdin.
"""

import argparse
import json
import os
import sys
import time

# Libraries may print what they like, but not between the answers.
ANSWERS = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)


def answer(**values):
    ANSWERS.write(json.dumps(values) + "\n")


def arguments():
    """The command line that all peers share; threads are set before any library starts its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("case", nargs="?")
    parser.add_argument("variant", nargs="?")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--list", action="store_true", help="print cases and their variants")
    parser.add_argument("--steps", type=int, help="make so many steps and end")
    parser.add_argument("--compare", metavar="DIR", help="compare with what `bench_steps --dump` wrote")
    parser.add_argument("--train", metavar="NPY", help="pictures to train on, for the case `quality`")
    args = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(args.threads)
    return args


def peak_memory():
    """The most memory that this process has held, in bytes."""
    try:
        with open("/proc/self/status") as status:
            line = next(line for line in status if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration):
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def timed(step, request):
    """The milliseconds of each of so many steps, or of as many as fit the seconds, but at least three."""
    times, begin = [], time.perf_counter()
    while True:
        before = time.perf_counter()
        step()
        now = time.perf_counter()
        times.append((now - before) * 1e3)
        if len(times) >= request["steps"] if "steps" in request else len(times) >= 3 and now - begin >= request["seconds"]:
            return times


def serve(work, version, steps=None):
    """Answers requests with the times of `work.step`; requests with a `samples` key go to `work.train` instead."""
    if steps:
        answer(ms=timed(work.step, {"steps": steps}), peak_memory_bytes=peak_memory())
        return
    answer(ready=True, version=version, parameters=work.parameters())
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "samples" in request:
                answer(**work.train(request), peak_memory_bytes=peak_memory())
            else:
                answer(ms=timed(work.step, request), peak_memory_bytes=peak_memory())
        except Exception as error:  # The driver decides what a failing variant means.
            answer(error=f"{type(error).__name__}: {error}".splitlines()[0])


def run(main):
    """Runs `main`; the end of the driver or Ctrl-C ends it without a trace."""
    try:
        main()
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(130)
