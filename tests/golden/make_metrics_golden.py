"""Writes metrics.json: what scikit-learn and scipy say of predictions with ties, constants and other traps.

    python3 tests/golden/make_metrics_golden.py        (needs numpy, scipy, scikit-learn)
"""
import json
import math
import pathlib
import warnings

import numpy as np
import scipy
import scipy.stats
import sklearn
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

warnings.simplefilter("ignore")
rng = np.random.default_rng(7)


def classification(name, predicted, labels):
    predicted, labels = [int(v) for v in predicted], [int(v) for v in labels]
    return {"name": name, "predicted": predicted, "labels": labels,
            "accuracy": float(accuracy_score(labels, predicted)),
            "f1": float(f1_score(labels, predicted, labels=[1], average="macro", zero_division=0)),
            "matthews_correlation": float(matthews_corrcoef(labels, predicted))}


def number(value):
    return None if math.isnan(value) else float(value)


def regression(name, x, y):
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if len(x) < 2:
        pearson = spearman = math.nan  # scipy raises
    else:
        pearson, spearman = scipy.stats.pearsonr(x, y)[0], scipy.stats.spearmanr(x, y)[0]
    return {"name": name, "x": [float(v) for v in x], "y": [float(v) for v in y],
            "pearson": number(pearson), "spearmanr": number(spearman)}


def binary(n, share, agree):
    labels = rng.random(n) < share
    return np.where(rng.random(n) < agree, labels, ~labels), labels


classes = [
    classification("random", *binary(1043, 0.69, 0.8)),
    classification("near chance", *binary(257, 0.5, 0.52)),
    classification("rare class", *binary(500, 0.02, 0.97)),
    classification("all right", [0, 1, 1, 0, 1], [0, 1, 1, 0, 1]),
    classification("all wrong", [1, 0, 0, 1, 0], [0, 1, 1, 0, 1]),
    classification("one class predicted", [1] * 31, [i % 2 for i in range(31)]),
    classification("class 0 predicted", [0] * 31, [i % 3 == 0 for i in range(31)]),
    classification("one class in the labels", [i % 2 for i in range(33)], [1] * 33),
    classification("same single class", [1] * 7, [1] * 7),
    classification("same single class 0", [0] * 7, [0] * 7),
    classification("opposite single classes", [1] * 7, [0] * 7),
    classification("one example, right", [1], [1]),
    classification("one example, wrong", [0], [1]),
    classification("one true positive", [0, 0, 0, 1], [0, 1, 1, 1]),
    classification("three classes", rng.integers(0, 3, 300), rng.integers(0, 3, 300)),
    classification("six classes, a class missing", rng.integers(0, 5, 200), rng.integers(1, 6, 200)),
]

a = rng.normal(size=200)
noise = rng.normal(size=200)
stsb = np.round(rng.random(700) * 5, 1)
scores = [
    regression("random", a, a + noise),
    regression("independent", a, noise),
    regression("negative", a, -2 * a + 0.1 * noise),
    regression("exactly linear", a, 3 * a - 7),
    regression("exactly linear, falling", a, -0.5 * a),
    regression("monotone, not linear", a, np.exp(3 * a)),
    regression("many ties", stsb, np.clip(np.round(stsb + rng.normal(size=700)), 0, 5)),
    regression("ties on both sides", rng.integers(0, 3, 99), rng.integers(0, 4, 99)),
    regression("two values", [0, 1] * 20, rng.integers(0, 2, 40)),
    regression("constant predictions", [0.1] * 30, rng.random(30)),
    regression("constant targets", rng.random(30), [2.5] * 30),
    regression("both constant", [1.0] * 9, [3.0] * 9),
    regression("constant but for one", [0.3] * 30 + [0.4], np.arange(31.0)),
    regression("constant but for one bit", [1.0] * 10 + [1.0 + 2.0 ** -20], np.arange(11.0)),
    regression("large offset", 1e6 + a, 1e6 + a + noise),
    regression("huge", 1e160 * a, 1e160 * (a + noise)),
    regression("tiny", 1e-160 * a, 1e-160 * (a + noise)),
    regression("scales apart", 1e-30 * a, 1e30 * (a - noise)),
    regression("two points", [1.0, 2.0], [5.0, 3.0]),
    regression("two equal points", [1.0, 1.0], [5.0, 3.0]),
    regression("three points", [1.0, 2.0, 2.0], [2.0, 1.0, 3.0]),
    regression("one point", [1.0], [2.0]),
    regression("signed zeros tie", [0.0, -0.0, 1.0, 2.0], [1.0, 2.0, 3.0, 4.0]),
    regression("f32 outputs", np.float32(a), np.float32(a + noise)),
]

out = pathlib.Path(__file__).with_name("metrics.json")
versions = {"numpy": np.__version__, "scipy": scipy.__version__, "scikit-learn": sklearn.__version__}
out.write_text(json.dumps({"versions": versions, "classification": classes, "regression": scores},
                          separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")
print(out.name, out.stat().st_size, "bytes", versions)
