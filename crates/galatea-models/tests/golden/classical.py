"""Hidden Markov models by hmmlearn and trees by pgmpy, on values that a formula gives: what `tests/classical.rs` compares
with. Run in an environment with `bench/peers/requirements-classical.txt`; writes `classical.json` beside it."""

import json
from pathlib import Path

import numpy
from hmmlearn.hmm import CategoricalHMM, GaussianHMM

K, D, SYMBOLS, TIME, N, STEPS = 3, 2, 4, 12, 20, 20


def uniform(which, *shape):
    """The rule by which the test fills arrays as well: multiples of 1/64, which single precision holds."""
    n = int(numpy.prod(shape))
    return (numpy.array([(37 * i + 11 * which + (i * i * 5) % 29) % 41 for i in range(n)]) / 64).reshape(shape)


def rows(which, *shape):
    values = uniform(which, *shape) + 0.25
    return values / values.sum(-1, keepdims=True)


def single(values):
    return values.astype("float32").astype("float64")


def fit(model, x, lengths):
    """Log likelihoods before each of the steps, and after the last."""
    scores = []
    for _ in range(STEPS):
        scores.append(model.score(x, lengths))
        model.fit(x, lengths)
    return scores + [model.score(x, lengths)]


def gaussian(kind):
    model = GaussianHMM(K, kind, n_iter=1, init_params="", covars_prior=0, min_covar=0, tol=-numpy.inf, implementation="scaling")
    model.startprob_, model.transmat_ = single(rows(1, K)), single(rows(2, K, K))
    model.startprob_ /= model.startprob_.sum()
    model.transmat_ /= model.transmat_.sum(1, keepdims=True)
    model.means_ = 4 * uniform(3, K, D)
    model.covars_ = numpy.full((K, D), 0.5) if kind == "diag" else numpy.tile(0.5 * numpy.eye(D), (K, 1, 1))
    x = 4 * uniform(4, N * TIME, D)
    scores = fit(model, x, [TIME] * N)
    return {"scores": scores, "viterbi": model.decode(x[:TIME])[1].tolist(), "posterior": model.predict_proba(x[:TIME]).tolist()}


def symbols():
    model = CategoricalHMM(K, n_iter=1, init_params="", tol=-numpy.inf, implementation="scaling")
    model.startprob_, model.transmat_ = rows(1, K), rows(2, K, K)
    model.emissionprob_ = rows(5, K, SYMBOLS)
    x = (64 * uniform(6, N * TIME, 1)).astype(int) % SYMBOLS
    return {"scores": fit(model, x, [TIME] * N)}


def tree():
    """Six columns of three values that follow each other with noise."""
    import pandas
    from pgmpy.estimators import TreeSearch
    from pgmpy.models import DiscreteBayesianNetwork

    noise = (64 * uniform(7, 400, 6)).astype(int)
    columns = [noise[:, 0] % 3]
    for i, parent in enumerate([0, 0, 1, 2, 2], 1):
        columns.append((columns[parent] + (noise[:, i] % 5 == 0) * (noise[:, i] % 3)) % 3)
    table = pandas.DataFrame({f"c{i}": column for i, column in enumerate(columns)})
    found = TreeSearch(table, root_node="c0").estimate(estimator_type="chow-liu", show_progress=False)
    model = DiscreteBayesianNetwork(found.edges())
    model.fit(table)
    edges = sorted([int(a[1:]), int(b[1:])] for a, b in found.edges())
    # The sum over rows and columns of the logarithm of what pgmpy's tables say of the value.
    total = 0.0
    for _, row in table.iterrows():
        for name in table.columns:
            factor = model.get_cpds(name).to_factor()
            total += numpy.log(factor.get_value(**{other: row[other] for other in factor.variables}))
    return {"edges": edges, "log_likelihood": float(total)}


result = {"diagonal": gaussian("diag"), "full": gaussian("full"), "symbols": symbols(), "tree": tree()}
Path(__file__).with_suffix(".json").write_text(json.dumps(result) + "\n")
