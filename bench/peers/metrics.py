"""Times FID, KID and PRDC of torch-fidelity and prdc beside Galatea's, on the same features, by turns.

    cargo build --release -p galatea-metrics --example speed
    python bench/peers/metrics.py [ROUNDS [SAMPLES [FEATURES]]]

Needs torch-fidelity (with torch and torchvision), prdc and numpy. Both sides use as many threads as there are cores. The
features are like activations of a network: none below zero, correlated, a few of great spread.
"""

import contextlib
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from prdc import compute_prdc
from torch_fidelity import metric_fid, metric_kid

OURS = Path(os.environ.get("GALATEA_SPEED", Path(__file__).parents[2] / "target/release/examples/speed"))
ROUNDS, SAMPLES, FEATURES = (int(x) for x in (sys.argv[1:] + ["3", "10000", "2048"][len(sys.argv) - 1 :]))


def features(seed, shift):
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(0).normal(size=(128, FEATURES)) * np.linspace(1, 0.05, 128)[:, None] / 4
    x = rng.normal(size=(SAMPLES, 128)) @ mix + 0.5 * rng.normal(size=(SAMPLES, FEATURES)) + shift
    return np.maximum(x, 0).astype(np.float32)


def timed(f):
    begun, busy = time.perf_counter(), time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        values = f()
    return time.perf_counter() - begun, time.process_time() - busy, values


def theirs(samples, real):
    a, b = torch.from_numpy(samples), torch.from_numpy(real)

    def fid():
        statistics = [metric_fid.fid_features_to_statistics(x) for x in (a, b)]
        return list(metric_fid.fid_statistics_to_metric(*statistics, verbose=False).values())

    kid = lambda: list(metric_kid.kid_features_to_metric(a, b, verbose=False).values())
    prdc = lambda: [float(v) for v in compute_prdc(real_features=real, fake_features=samples, nearest_k=5).values()]
    return {"fid": timed(fid), "kid": timed(kid), "prdc": timed(prdc)}


def ours(paths):
    lines = subprocess.run([OURS, *paths], check=True, capture_output=True, text=True).stdout.splitlines()
    return {line["name"]: (line["seconds"], line["cpu"], line["values"]) for line in map(json.loads, lines)}


samples, real = features(1, 0.1), features(2, 0.0)
with tempfile.TemporaryDirectory() as folder:
    paths = [os.path.join(folder, name) for name in ("a.npy", "b.npy")]
    np.save(paths[0], samples), np.save(paths[1], real)
    rounds = [(ours(paths), theirs(samples, real)) for _ in range(ROUNDS)]
print(f"{SAMPLES} x {FEATURES} features, {ROUNDS} rounds by turns, {os.cpu_count()} cores, median seconds")
print("       ours    theirs  ratio  processors: ours  theirs  ratio  largest relative difference")
for name in ("fid", "kid", "prdc"):
    middle = lambda side, what: statistics.median(turn[side][name][what] for turn in rounds)
    (us, our_cpu), (them, their_cpu) = ((middle(side, 0), middle(side, 1)) for side in (0, 1))
    pairs = zip(rounds[0][0][name][2], rounds[0][1][name][2])
    apart = max(abs(a - b) / abs(b) for a, b in pairs)
    print(f"{name:5} {us:7.2f} {them:9.2f} {us / them:6.2f} {our_cpu:17.2f} {their_cpu:7.2f} {our_cpu / their_cpu:6.2f}  {apart:.1e}")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
print(f"peak memory: ours {rounds[0][0]['peak memory'][2][0]} MiB, theirs {peak} MiB")
