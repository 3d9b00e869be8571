"""Times hidden Markov models beside hmmlearn, and trees of Chow and Liu beside pgmpy, and compares the trees:

    python classical.py PATH/TO/galatea DIGITS

DIGITS is `train-images-idx3-ubyte.gz`; every second pixel of 10,000 digits, black or white, is a column. What `galatea`
takes is its own count of the seconds of training, with the samples and the checkpoint that it writes. Needs the packages of
`requirements-classical.txt`.
"""

import gzip
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy

STATES, CHANNELS, WINDOW, WINDOWS, STEPS = 8, 5, 100, 200, 20


def galatea(program, folder, *arguments):
    command = [program, "train", *arguments, "--json", "--quiet", "--runs", str(folder / "runs")]
    lines = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.splitlines()
    return json.loads(lines[-1])


def chains(program, folder):
    from hmmlearn.hmm import GaussianHMM

    draw = numpy.random.default_rng(0)
    hidden = numpy.repeat(draw.integers(0, STATES, WINDOW * WINDOWS // 10), 10)
    x = (3 * draw.normal(size=(STATES, CHANNELS)))[hidden] + draw.normal(size=(len(hidden), CHANNELS))
    numpy.savetxt(folder / "series.csv", x, delimiter=",", header="a,b,c,d,e", comments="")
    settings = [f"data.window={WINDOW}", f"data.stride={WINDOW}", "data.holdout=0", f"states={STATES}", "restarts=1"]
    settings += ["eval.samples=0", "train.preview=1"]
    ours = galatea(program, folder, "hmm", "--data", "series.csv", "--steps", str(STEPS), "--set", *settings)
    model = GaussianHMM(STATES, "diag", n_iter=STEPS, tol=-numpy.inf, random_state=0)
    began = time.perf_counter()
    model.fit(x, [WINDOW] * WINDOWS)
    theirs = time.perf_counter() - began
    print(json.dumps({"case": "hmm", "galatea": ours["seconds"], "hmmlearn": theirs, "ratio": ours["seconds"] / theirs}))


def trees(program, folder, digits):
    import pandas
    from pgmpy.estimators import TreeSearch
    from pgmpy.models import DiscreteBayesianNetwork

    pixels = numpy.frombuffer(gzip.open(digits).read(), numpy.uint8, offset=16).reshape(-1, 28, 28)
    columns = (pixels[:, ::2, ::2] > 127).reshape(len(pixels), -1).astype(int)
    # A column that never changes tells nothing, and all edges to it are alike.
    columns = columns[:, columns.any(0)]
    table = pandas.DataFrame(columns, columns=[f"p{i}" for i in range(columns.shape[1])])
    table.to_csv(folder / "digits.csv", index=False)
    settings = ["smoothing=0", "data.holdout=0", "eval.samples=0", "train.preview=1"]
    ours = galatea(program, folder, "bayesnet", "--data", "digits.csv", "--steps", "1", "--set", *settings)
    run = max((folder / "runs").glob("*bayesnet*"))
    subprocess.run([program, "export", run, "-o", folder / "tree.dot", "--quiet"], check=True)
    mine = set(re.findall(r'"(p\d+)" -> "(p\d+)"', (folder / "tree.dot").read_text()))
    began = time.perf_counter()
    found = TreeSearch(table, root_node="p0").estimate(estimator_type="chow-liu", show_progress=False)
    model = DiscreteBayesianNetwork(found.edges())
    model.fit(table)
    theirs = time.perf_counter() - began
    result = {"case": "chow-liu", "columns": columns.shape[1], "edges": len(mine), "same": len(mine & set(found.edges()))}
    result |= {"galatea": ours["seconds"], "pgmpy": theirs, "ratio": ours["seconds"] / theirs}
    # What the same rows cost by either, in nats: a sum over columns, each given the column before it in the tree.
    judge = [program, "eval", run, "--against", "digits.csv", "-n", "10000", "--json", "--quiet"]
    judged = subprocess.run(judge, cwd=folder, check=True, capture_output=True, text=True).stdout
    values = {row["number"]: row["value"] for row in json.loads(judged)["report"]["rows"]}
    total = 0.0
    for name in table.columns:
        factor = model.get_cpds(name)
        at = tuple(table[other].map(factor.name_to_no[other].get).to_numpy() for other in factor.variables)
        total -= numpy.log(factor.values[at]).sum()
    apart = abs(values["nats-per-row"] * len(table) - total) / total
    print(json.dumps(result | {"log_likelihood": -total, "apart": apart}))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        chains(Path(sys.argv[1]).resolve(), Path(name))
        trees(Path(sys.argv[1]).resolve(), Path(name), Path(sys.argv[2]).resolve())
