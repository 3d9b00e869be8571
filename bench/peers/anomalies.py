"""One class of digits against the rest: areas under the curve of Galatea's detector beside PCA, nearest neighbours, Isolation
Forest, and PyOD's VAE and AutoEncoder, on the same arrays.

    cargo build --release -p galatea-cli
    python bench/peers/anomalies.py [CLASSES [SEEDS [METHODS]]]     such as `0,1,2 0,1,2 galatea,pca`
    python bench/peers/anomalies.py speed      examples scored per second, by reconstruction through networks of the same widths
    python bench/peers/anomalies.py alarms     false alarms of `galatea detect` over 20 random splits of normal digits

Needs pyod (with torch), scikit-learn and numpy. Of each class of the embedded digits 90 % are trained on; the others of it and
all other digits are tested. No label is used to choose anything. With METHODS, only those are run.
"""

import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

ROOT = Path(__file__).parents[2]
OURS = Path(os.environ.get("GALATEA", ROOT / "target/release/galatea"))
ASSETS = ROOT / "crates/galatea-data/assets"
MORE = os.environ.get("GALATEA_SET", "").split()
DETECT = os.environ.get("GALATEA_DETECT", "").split()


def digits():
    pixels = gzip.decompress((ASSETS / "train-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress((ASSETS / "train-labels-idx1-ubyte.gz").read_bytes())[8:]
    return np.frombuffer(pixels, np.uint8).reshape(-1, 28, 28), np.frombuffer(labels, np.uint8)


def galatea(train, test, seed):
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/train.npy", train)
        np.save(f"{folder}/test.npy", test)
        common = ["--runs", f"{folder}/runs", "--json"]
        settings = ["eval.samples=0", "monitor=off", "train.sample_every=0", *MORE]
        command = [OURS, "train", "--for", "detect", "--data", f"{folder}/train.npy", "--name", "x", "--seed", str(seed)]
        subprocess.run([*command, *common, "--quiet", "--set", *settings], capture_output=True, check=True)
        command = [OURS, "detect", "1", f"{folder}/test.npy", "--false-alarms", "0.05", *DETECT, *common]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        print("   ", answer.stderr.splitlines()[0], flush=True)
        return np.array([json.loads(line)["score"] for line in answer.stdout.splitlines()])


def flat(pictures):
    return pictures.reshape(len(pictures), -1).astype(np.float32) / 255


def pca(train, test, seed):
    model = PCA(0.95, random_state=seed).fit(flat(train))
    back = model.inverse_transform(model.transform(flat(test)))
    return ((back - flat(test)) ** 2).sum(1)


def neighbours(train, test, _seed):
    return NearestNeighbors(n_neighbors=5).fit(flat(train)).kneighbors(flat(test))[0].mean(1)


def forest(train, test, seed):
    return -IsolationForest(n_estimators=200, random_state=seed).fit(flat(train)).score_samples(flat(test))


def pyod_vae(train, test, seed):
    from pyod.models.vae import VAE

    model = VAE(random_state=seed, verbose=0)
    model.fit(flat(train))
    return model.decision_function(flat(test))


def pyod_autoencoder(train, test, seed):
    from pyod.models.auto_encoder import AutoEncoder

    model = AutoEncoder(random_state=seed, verbose=0)
    model.fit(flat(train))
    return model.decision_function(flat(test))


METHODS = dict(galatea=galatea, pca=pca, neighbours=neighbours, forest=forest, vae=pyod_vae, autoencoder=pyod_autoencoder)


def speed():
    """Examples per second, from what 9,000 take more than 1,000, so that starting and loading do not count; the best of three."""
    import torch
    from pyod.models.vae import VAE

    pictures, labels = digits()
    train, sizes = pictures[labels == 3][:900], (1000, 10000)
    network = "network=dense hidden=[128,64] latent=8 likelihood=bernoulli".split()
    rates = {}

    def note(name, score):
        took = {n: min(timed(score, n) for _ in range(3)) for n in sizes}
        rates[name] = (sizes[1] - sizes[0]) / (took[sizes[1]] - took[sizes[0]])
        print(f"{name:10} {rates[name]:10.0f} examples/s", flush=True)

    def timed(score, n):
        begun = time.perf_counter()
        score(n)
        return time.perf_counter() - begun

    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/train.npy", train)
        [np.save(f"{folder}/{n}.npy", pictures[:n]) for n in sizes]
        common = ["--runs", f"{folder}/runs", "--quiet"]
        settings = ["eval.samples=0", "monitor=off", "train.sample_every=0", "train.steps=100", *network]
        command = [OURS, "train", "--for", "detect", "--data", f"{folder}/train.npy", *common, "--set", *settings]
        subprocess.run(command, capture_output=True, check=True)
        ask = [OURS, "detect", "1", "--false-alarms", "0.05", "--score", "reconstruction", *common]
        note("galatea", lambda n: subprocess.run([*ask, f"{folder}/{n}.npy"], capture_output=True, check=True))
    vae = VAE(encoder_neuron_list=[128, 64], decoder_neuron_list=[64, 128], latent_dim=8, epoch_num=1, verbose=0)
    vae.fit(flat(train))
    note("pyod", lambda n: vae.decision_function(flat(pictures[:n])))
    layers = [torch.nn.Linear(a, b) for a, b in zip([784, 128, 64, 8, 64, 128], [128, 64, 8, 64, 128, 784])]
    bare = torch.nn.Sequential(*[part for layer in layers for part in (layer, torch.nn.ReLU())])

    def pytorch(n):
        with torch.no_grad():
            x = torch.from_numpy(flat(pictures[:n]))
            for some in x.split(128):
                ((bare(some) - some) ** 2).mean(1)

    note("pytorch", pytorch)


def alarms(splits=20, each=1000):
    """Of a model of 4,000 digits: how many of 1,000 others it flags, the threshold set by another 1,000, split anew each time."""
    pictures, _ = digits()
    order = np.random.default_rng(0).permutation(len(pictures))
    train, pool = order[:4000], order[4000:]
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/train.npy", pictures[train])
        common = ["--runs", f"{folder}/runs", "--quiet"]
        settings = ["eval.samples=0", "monitor=off", "train.sample_every=0"]
        command = [OURS, "train", "--for", "detect", "--data", f"{folder}/train.npy", *common, "--set", *settings]
        subprocess.run(command, capture_output=True, check=True)
        counts = {rate: [] for rate in (0.01, 0.05)}
        for split in range(splits):
            some = np.random.default_rng(1 + split).permutation(pool)[: 2 * each]
            np.save(f"{folder}/normal.npy", pictures[some[:each]])
            np.save(f"{folder}/new.npy", pictures[some[each:]])
            for rate, flagged in counts.items():
                ask = [OURS, "detect", "1", f"{folder}/new.npy", "--normal", f"{folder}/normal.npy", "--json"]
                ask += ["--false-alarms", str(rate), "--runs", f"{folder}/runs"]
                lines = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.splitlines()
                flagged.append(sum(json.loads(line)["flagged"] for line in lines))
    for rate, flagged in counts.items():
        n = each - min(300, each // 4)
        # The rate of one split is a beta variable, and its count of flagged ones is binomial: deviation of the mean of all.
        allowed = int(rate * (n + 1))
        mean = allowed / (n + 1)
        deviation = (mean * (1 - mean) / (n + 2) + mean * (1 - mean) / each) ** 0.5 / splits**0.5
        rates = np.array(flagged) / each
        print(f"promised {rate:.2%}: flagged {rates.mean():.2%} over {splits} splits ({rates.min():.2%} to {rates.max():.2%})")
        print(f"  95 % of such means are within {mean - 1.96 * deviation:.2%} to {mean + 1.96 * deviation:.2%}")


def main():
    if sys.argv[1:] == ["speed"]:
        return speed()
    if sys.argv[1:] == ["alarms"]:
        return alarms()
    given = sys.argv[1:] + ["0,1,2,3,4,5,6,7,8,9", "0,1,2", ",".join(METHODS)][len(sys.argv) - 1 :]
    classes, seeds = ([int(x) for x in text.split(",")] for text in given[:2])
    pictures, labels = digits()
    found = {name: [] for name in given[2].split(",")}
    for seed in seeds:
        for label in classes:
            of = np.random.default_rng(seed).permutation(np.flatnonzero(labels == label))
            kept = of[: int(0.9 * len(of))]
            others = np.setdiff1d(np.arange(len(labels)), kept)
            for name, areas in found.items():
                begun = time.perf_counter()
                scores = METHODS[name](pictures[kept], pictures[others], seed)
                areas.append(roc_auc_score(labels[others] != label, scores))
                print(f"seed {seed}, {label}: {name:12} {areas[-1]:.4f}  {time.perf_counter() - begun:.1f} s", flush=True)
    for name, areas in found.items():
        print(f"{name:12} mean area {np.mean(areas):.4f}, least {min(areas):.4f}, over {len(areas)}")


if __name__ == "__main__":
    main()
