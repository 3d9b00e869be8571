"""Numbers of the reference programs on features that both sides make from Philox numbers, bit for bit.

`python metrics.py` writes `metrics.json`, which `tests/golden.rs` compares with. It needs torch-fidelity 0.4.0 (with torch,
torchvision), clean-fid 0.1.35, prdc 0.2, scikit-learn, scipy and numpy; nothing is downloaded.
"""

import contextlib
import io
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import scipy.spatial.distance
import scipy.stats
import torch
from cleanfid import fid as cleanfid
from prdc import compute_prdc
from sklearn.neighbors import NearestNeighbors
from torch_fidelity import metric_fid, metric_isc, metric_kid

SEED, K = 11, 5


def words(stream, count, seed=SEED):
    """Philox4x32-10: key = seed, counter = (block, stream)."""
    blocks = np.arange((count + 3) // 4, dtype=np.uint64)
    mask, high = np.uint64(0xFFFFFFFF), lambda v: v >> np.uint64(32)
    c = [blocks & mask, high(blocks), np.full_like(blocks, stream & 0xFFFFFFFF), np.full_like(blocks, stream >> 32)]
    k = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [high(b) ^ c[1] ^ np.uint64(k[0]), b & mask, high(a) ^ c[3] ^ np.uint64(k[1]), a & mask]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return np.stack(c, 1).reshape(-1)[:count]


def rows(n, d, stream):
    """Sums of four uniform numbers less 2, each with half of its neighbour added: exact in double precision."""
    u = np.stack([words(stream + i, 4 * d) >> np.uint64(8) for i in range(n)]).astype(np.float64) / 2.0**24
    x = u.reshape(n, d, 4).sum(2) - 2
    return x + 0.5 * np.roll(x, -1, 1)


def directions(d):
    """256 directions: normal numbers by Box and Muller's method, seed 0x511ced."""
    out = []
    for i in range(256):
        w = words(i, (d + 1) // 2 * 2, seed=0x511CED).astype(np.float64).reshape(-1, 2)
        radius, angle = np.sqrt(-2 * np.log((w[:, 0] + 0.5) / 2.0**32)), 2 * np.pi * w[:, 1] / 2.0**32
        v = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)[:d].astype(np.float32)
        out.append(v.astype(np.float64) / np.sqrt((v.astype(np.float64) ** 2).sum()))
    return np.stack(out)


relu = lambda x: np.maximum(x, 0)
# The same cases, in the same words, are in golden.rs.
CASES = {
    # Like activations of a network: none below zero, most means above it.
    "activations": (relu(rows(1200, 64, 0) * 1.0625 + 0.375), relu(rows(1000, 64, 10000) + 0.25)),
    # Fewer samples than features.
    "wide": (relu(rows(150, 300, 20000) + 0.375), relu(rows(200, 300, 30000) + 0.25)),
    # Both sets of one distribution: the kernel distance is about zero.
    "same": (rows(1500, 32, 40000), rows(1500, 32, 50000)),
    # Far from zero, where products lose digits.
    "offset": (rows(400, 48, 60000) + 50.25, rows(400, 48, 70000) + 50.0),
    # Whole numbers: ties everywhere.
    "ties": (np.floor(rows(300, 4, 80000) * 2 + 1), np.floor(rows(250, 4, 90000) * 2)),
    # All samples on two points.
    "collapsed": (np.floor(rows(400, 16, 100000)[:, :1] / 8) + np.zeros((1, 16)), rows(400, 16, 110000)),
}


def frechet(samples, real):
    statistics = [metric_fid.fid_features_to_statistics(torch.from_numpy(x)) for x in (samples, real)]
    ours = metric_fid.fid_statistics_to_metric(*statistics, verbose=False)[metric_fid.KEY_METRIC_FID]
    moments = [(np.mean(x, 0), np.cov(x, rowvar=False)) for x in (samples, real)]
    with contextlib.redirect_stdout(io.StringIO()):
        clean = cleanfid.frechet_distance(*moments[0], *moments[1])
    return {"torch-fidelity": float(ours), "clean-fid": float(np.real(clean))}


def kernel(samples, real):
    size = min(len(samples), len(real), 1000)
    found = metric_kid.kid_features_to_metric(
        torch.from_numpy(samples), torch.from_numpy(real), kid_subset_size=size, kid_subsets=100, verbose=False
    )
    out = {
        "torch-fidelity": found[metric_kid.KEY_METRIC_KID_MEAN],
        "torch-fidelity deviation": found[metric_kid.KEY_METRIC_KID_STD],
    }
    if len(samples) == len(real) == size:  # Otherwise its parts are drawn from NumPy's global generator.
        out["clean-fid"] = cleanfid.kernel_distance(real, samples, num_subsets=1)
    return out


def mmd(samples, real):
    """torch-fidelity's Gaussian kernel, where both sets are of one size; the width is the lower median of distances."""
    if len(samples) != len(real) or len(real) > 1000:
        return None
    squares = np.sort(scipy.spatial.distance.pdist(real, "sqeuclidean"))
    sigma = float(np.sqrt(squares[(len(squares) - 1) // 2]))
    found = metric_kid.kid_features_to_metric(
        torch.from_numpy(samples), torch.from_numpy(real), kid_subset_size=len(real), kid_subsets=1, verbose=False,
        kid_kernel="rbf", kid_kernel_rbf_sigma=sigma,
    )
    return found[metric_kid.KEY_METRIC_KID_MEAN]


def manifold(samples, real):
    with contextlib.redirect_stdout(io.StringIO()):
        found = compute_prdc(real_features=real, fake_features=samples, nearest_k=K)
    return {name: float(value) for name, value in found.items()}


def realism(samples, real):
    """Equation 3 of Kynkäänniemi et al., the median over samples (the lower one of two)."""
    distances = scipy.spatial.distance.cdist(real, real)
    radii = np.sort(distances, 1)[:, K]
    kept = (radii <= np.sort(radii)[(len(radii) - 1) // 2]) & (radii > 0)
    ratios = radii[kept, None] / scipy.spatial.distance.cdist(real[kept], samples)
    return float(np.sort(ratios.max(0))[(len(samples) - 1) // 2])


def two_sample(samples, real):
    """Leave-one-out accuracy of the nearest neighbour."""
    both, labels = np.concatenate([samples, real]), np.repeat([1, 0], [len(samples), len(real)])
    nearest = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(both).kneighbors(both, return_distance=False)[:, 1]
    return float((labels[nearest] == labels).mean())


def sliced(samples, real):
    points = min(len(samples), len(real))
    along = [np.sort(x @ directions(x.shape[1]).T, 0) for x in (samples, real)]
    at = lambda x: x[[(2 * i + 1) * len(x) // (2 * points) for i in range(points)]]
    return float(np.sqrt(((at(along[0]) - at(along[1])) ** 2).mean()))


def memorised(samples, real, train):
    distance = lambda x: scipy.spatial.distance.cdist(x, train).min(1)
    ours, unseen = distance(samples), distance(real)
    closer = scipy.stats.mannwhitneyu(unseen, ours).statistic / (len(ours) * len(unseen))
    copied = (ours < np.sort(unseen)[int(0.01 * len(unseen))]).mean()
    return {"closer": float(closer), "copied": float(copied)}


out = {"versions": {name: version(name) for name in ["torch-fidelity", "clean-fid", "prdc", "scikit-learn", "scipy", "numpy"]}}
for name, (samples, real) in CASES.items():
    case = {
        "frechet": frechet(samples, real),
        "kernel": kernel(samples, real),
        "prdc": manifold(samples, real),
        "realism": realism(samples, real),
        "sliced": sliced(samples, real),
        "diversity": float(scipy.spatial.distance.pdist(samples[:2000]).mean()),
        "mmd": mmd(samples, real),
        "two_sample": two_sample(samples, real) if name in ("same", "offset") else None,
    }
    out[name] = case
    print(name, json.dumps(case, indent=1))

samples, real, train = rows(300, 12, 120000), rows(350, 12, 130000), rows(500, 12, 140000)
samples[:60] = train[:60]
out["memorised"] = memorised(samples, real, train)

# Class probabilities: numbers over their sum, so that no logarithm is needed to make them.
weights = np.stack([words(150000 + i, 10) >> np.uint64(8) for i in range(1234)]).astype(np.float64) + 1
probabilities = weights**4 / (weights**4).sum(1, keepdims=True)
others = np.roll(probabilities[:, ::-1], 1, 1)[:1000] ** 2
others /= others.sum(1, keepdims=True)
found = metric_isc.isc_features_to_metric(torch.from_numpy(np.log(probabilities)))
shares = [np.bincount(p.argmax(1), minlength=10) / len(p) for p in (probabilities, others)]
out["classes"] = {
    "inception": found[metric_isc.KEY_METRIC_ISC_MEAN],
    "inception deviation": found[metric_isc.KEY_METRIC_ISC_STD],
    "divergence": float(scipy.stats.entropy(*shares)),
    "variation": float(scipy.spatial.distance.cityblock(*shares) / 2),
}
print(json.dumps({name: out[name] for name in ("memorised", "classes")}, indent=1))
Path(__file__).with_suffix(".json").write_text(json.dumps(out, indent=1) + "\n")
