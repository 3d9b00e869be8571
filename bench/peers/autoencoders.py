"""Trains pythae's VAE or IWAE and Galatea's on the same digits, one after the other: log likelihood and time per epoch.

    cargo build --release -p galatea-cli
    python bench/peers/autoencoders.py vae,iwae [EPOCHS [SEED]] [--averaged]
    python bench/peers/autoencoders.py products     what the matrix products of an epoch take by themselves in PyTorch

Needs pythae (with torch) and numpy. Data are the embedded 10,000 digits, black and white by a threshold of one half, 9,000
to train on and 1,000 to test with: those that Galatea holds back, whose numbers are in `digits-held-back.txt`. Both networks
are 784-400-40-400-784 with ReLU, Adam at 1e-3, batches of 100; IWAE draws 50 samples. The likelihood is importance sampled
with 200 draws, by the same formula. pythae's model is trained by a plain loop without its trainer, so that only the model's
time counts.

Galatea is measured as the preset `classic` has it, constant rate and no average of weights, as pythae is; with `--averaged`
also with both, which learns 9,000 digits by heart sooner.
"""

import gzip
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from pythae.models import IWAE, VAE, IWAEConfig, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder

ROOT = Path(__file__).parents[2]
OURS = Path(os.environ.get("GALATEA", ROOT / "target/release/galatea"))
ASSETS = ROOT / "crates/galatea-data/assets"
BATCH, LATENT, HIDDEN, DRAWS = 100, 40, 400, 200


def digits():
    """Train and test pictures, 0 or 1."""
    pixels = gzip.decompress((ASSETS / "train-images-idx3-ubyte.gz").read_bytes())[16:]
    pictures = (np.frombuffer(pixels, np.uint8).reshape(-1, 1, 28, 28) > 127).astype(np.float32)
    held_back = np.array([int(i) for i in (ROOT / "bench/peers/digits-held-back.txt").read_text().split()])
    train = np.setdiff1d(np.arange(len(pictures)), held_back)
    return torch.from_numpy(pictures[train]), torch.from_numpy(pictures[held_back])


class Encoder(BaseEncoder):
    def __init__(self):
        super().__init__()
        self.hidden = torch.nn.Sequential(torch.nn.Linear(784, HIDDEN), torch.nn.ReLU())
        self.mean, self.log_variance = torch.nn.Linear(HIDDEN, LATENT), torch.nn.Linear(HIDDEN, LATENT)

    def forward(self, x):
        h = self.hidden(x.flatten(1))
        return ModelOutput(embedding=self.mean(h), log_covariance=self.log_variance(h))


class Decoder(BaseDecoder):
    def __init__(self):
        super().__init__()
        layers = torch.nn.Linear(LATENT, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, 784), torch.nn.Sigmoid()
        self.layers = torch.nn.Sequential(*layers)

    def forward(self, z):
        return ModelOutput(reconstruction=self.layers(z).reshape(-1, 1, 28, 28))


@torch.no_grad()
def log_likelihood(model, test):
    """The mean of ln 1/k sum p(x, z) / q(z | x), 200 draws."""
    values = []
    for x in test:
        out = model.encoder(x[None])
        mean, log_variance = out.embedding, out.log_covariance
        noise = torch.randn(DRAWS, LATENT)
        z = mean + torch.exp(0.5 * log_variance) * noise
        p = model.decoder(z).reconstruction.flatten(1).clamp(1e-7, 1 - 1e-7)
        t = x.flatten()[None]
        log_x = (t * p.log() + (1 - t) * (1 - p).log()).sum(1)
        log_w = log_x + 0.5 * (noise**2 - z**2 + log_variance).sum(1)
        values.append((torch.logsumexp(log_w.double(), 0) - math.log(DRAWS)).item())
    return float(np.mean(values))


def theirs(kind, epochs, seed, train, test):
    torch.manual_seed(seed)
    common = dict(input_dim=(1, 28, 28), latent_dim=LATENT, reconstruction_loss="bce")
    if kind == "iwae":
        model = IWAE(IWAEConfig(number_samples=50, **common), Encoder(), Decoder())
    else:
        model = VAE(VAEConfig(**common), Encoder(), Decoder())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    begun = time.perf_counter()
    for _ in range(epochs):
        order = torch.randperm(len(train))
        for i in range(0, len(train), BATCH):
            optimizer.zero_grad(set_to_none=True)
            model({"data": train[order[i : i + BATCH]]}).loss.backward()
            optimizer.step()
    seconds = time.perf_counter() - begun
    model.eval()
    return seconds / epochs, log_likelihood(model, test)


def ours(kind, epochs, seed, more):
    with tempfile.TemporaryDirectory() as folder:
        settings = ["preset=classic", f"batch={BATCH}", f"train.steps={90 * epochs}", "eval.samples=0", "monitor=off"]
        settings += ["train.sample_every=0", "train.checkpoint_every=1000000", *more]
        common = ["--runs", folder, "--quiet", "--json"]
        command = [OURS, "train", kind, "--seed", str(seed), *common, "--set", *settings]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        seconds = json.loads(lines[-1])["seconds"]
        answer = subprocess.run([OURS, "eval", "1", *common], capture_output=True, text=True, check=True).stdout
        rows = json.loads(answer)["report"]["rows"]
        value = next(row for row in rows if row["number"] == "log-likelihood-k200")
        assert value["samples"] == 1000, value
        return seconds / epochs, value["value"]


def products(kind):
    """Seconds of an epoch in which PyTorch multiplies the matrices of each step and does nothing else."""
    draws = 50 if kind == "iwae" else 1
    layers = [(BATCH, 784, HIDDEN), (BATCH, HIDDEN, 2 * LATENT), (draws * BATCH, LATENT, HIDDEN), (draws * BATCH, HIDDEN, 784)]
    work = []
    for number, (n, i, o) in enumerate(layers):
        x, w, g = torch.randn(n, i), torch.randn(i, o), torch.randn(n, o)
        work += [(x, w, torch.empty(n, o)), (x.t(), g, torch.empty(i, o))]
        if number:
            work.append((g, w.t(), torch.empty(n, i)))

    def step():
        for a, b, out in work:
            torch.mm(a, b, out=out)

    times = []
    for _ in range(12):
        begun = time.perf_counter()
        step()
        times.append(time.perf_counter() - begun)
    return 90 * float(np.median(times[2:]))


def main():
    torch.set_num_threads(os.cpu_count())
    if sys.argv[1:] == ["products"]:
        for kind in ["vae", "iwae"]:
            print(f"{kind}: the products of an epoch take {products(kind):.3f} s in PyTorch")
        return
    kinds = sys.argv[1].split(",")
    numbers = [x for x in sys.argv[2:] if x.isdigit()]
    epochs, seed = (int(x) for x in numbers + ["100", "0"][len(numbers) :])
    train, test = digits()
    assert (len(train), len(test)) == (9000, 1000)
    for kind in kinds:
        print(f"{kind}, {epochs} epochs, seed {seed}, {os.cpu_count()} threads, torch {torch.__version__}")
        runs = {
            "galatea": lambda: ours(kind, epochs, seed, []),
            "pythae": lambda: theirs(kind, epochs, seed, train, test),
        }
        if "--averaged" in sys.argv:
            runs["averaged"] = lambda: ours(kind, epochs, seed, ["schedule=cosine", "ema=0.999"])
        times = {}
        for name, run in runs.items():
            times[name], value = run()
            print(f"{name:16} {times[name]:7.3f} s an epoch   log likelihood {value:8.2f} nats", flush=True)
        print(f"time of an epoch, ours over theirs: {times['galatea'] / times['pythae']:.2f}")


if __name__ == "__main__":
    main()
