"""BLEU and self-BLEU of NLTK and sacrebleu on made-up texts, autocorrelations of numpy on made-up windows.

`python texts.py` writes `texts.json`, which `tests/texts.rs` compares with. It needs nltk 3.10.4, sacrebleu 2.6.0 and numpy.
"""

import json
from pathlib import Path

import numpy as np
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from sacrebleu.metrics import BLEU

WORDS = "the a cat dog bird sat ran sang on under over mat tree house and then , .".split()


def texts(count, seed, spread):
    """Words by a chain, so that texts share phrases; lengths from 3 to 17."""
    state, out = seed, []
    for i in range(count):
        word, text = (seed + i) % len(WORDS), []
        for _ in range(3 + (seed + 5 * i) % 15):
            state = (state * 1103515245 + 12345) % 2**31
            word = (word * 5 + 1 + (state >> 16) % spread) % len(WORDS)
            text.append(WORDS[word])
        out.append(text)
    return out


def nltk(hypotheses, references):
    smooth = SmoothingFunction().method1
    return [sentence_bleu(references(i), h, smoothing_function=smooth) for i, h in enumerate(hypotheses)]


def sacre(hypotheses, references):
    metric = BLEU(tokenize="none", smooth_method="floor", smooth_value=0.1)
    score = lambda i, h: metric.sentence_score(" ".join(h), [" ".join(r) for r in references(i)]).score / 100
    return [score(i, h) for i, h in enumerate(hypotheses)]


cases = []
for name, spread, other in [("alike", 2, 2), ("varied", 5, 5), ("far", 2, 7)]:
    drawn, real = texts(12, 3, spread), texts(15, 1000, other)
    against = lambda i: real
    others = lambda i: drawn[:i] + drawn[i + 1 :]
    cases.append({
        "name": name,
        "written": [" ".join(t) for t in drawn],
        "real": [" ".join(t) for t in real],
        "bleu": {"nltk": float(np.mean(nltk(drawn, against))), "sacrebleu": float(np.mean(sacre(drawn, against)))},
        "self_bleu": {"nltk": float(np.mean(nltk(drawn, others))), "sacrebleu": float(np.mean(sacre(drawn, others)))},
    })

# Windows [5, 8, 2] of whole numbers and quarters, exact in single precision.
x = ((np.arange(80) * 37 % 23) / 4.0 - np.arange(80) % 5).reshape(5, 8, 2)
y = ((np.arange(96) * 11 % 17) / 4.0 + np.arange(96) % 3).reshape(6, 8, 2)


def autocorrelations(x):
    z = (x - x.mean((0, 1))) / x.std((0, 1))
    return [float((z[:, lag:, c] * z[:, : z.shape[1] - lag, c]).mean()) for lag in range(1, 5) for c in range(2)]


a, b = np.array(autocorrelations(x)), np.array(autocorrelations(y))
series = {
    "x": x.reshape(-1).tolist(),
    "y": y.reshape(-1).tolist(),
    "autocorrelations": a.tolist(),
    "distance": float(np.sqrt(((a - b) ** 2).mean())),
}
path = Path(__file__).with_suffix(".json")
path.write_text(json.dumps({"texts": cases, "series": series}, indent=1) + "\n")
