"""Writes statistics.json: means, deviations, quantiles by numpy, the paired permutation test by scipy, Holm by statsmodels'
rule written out.

    python3 tests/golden/make_statistics_golden.py        (needs numpy, scipy)
"""
import json
import pathlib

import numpy
import scipy
import scipy.stats


def holm(p):
    """R's p.adjust(method="holm"): the running maximum of (n - i) p_(i), at most 1, in the order of p."""
    order = numpy.argsort(p, kind="stable")
    out = numpy.empty(len(p))
    out[order] = numpy.minimum(1, numpy.maximum.accumulate((len(p) - numpy.arange(len(p))) * numpy.asarray(p)[order]))
    return out.tolist()


def permutation(x):
    result = scipy.stats.permutation_test((numpy.asarray(x),), lambda v, axis: v.mean(axis=axis), permutation_type="samples",
                                          n_resamples=numpy.inf, alternative="two-sided", vectorized=True)
    return float(result.pvalue)


def main():
    rng = numpy.random.default_rng(5)
    cases = []
    for n in (1, 2, 3, 5, 8, 12, 15):
        for shift in (0.0, 0.7):
            cases.append((rng.normal(size=n) + shift).tolist())
    cases.append([0.25, -0.25, 0.5, 0.0, 0.5, -0.125, 0.25])  # ties and a zero, exact in binary
    cases.append([0.1, 0.2, 0.3, 0.1, 0.2, 0.3, -0.6])        # sums that are equal but for their rounding
    cases.append([1.0, 1.0, 1.0, 1.0, 1.0])
    cases.append([0.0, 0.0])
    out = {"numpy": numpy.__version__, "scipy": scipy.__version__, "cases": [], "holm": []}
    for x in cases:
        case = {"x": x, "mean": float(numpy.mean(x)), "p": permutation(x) if len(x) > 1 else 1.0}
        if len(x) > 1:
            case["deviation"] = float(numpy.std(x, ddof=1))
        out["cases"].append(case)
    for p in ([0.01, 0.04, 0.03, 0.005], [0.2], [0.5, 0.5, 0.9], [0.001, 0.001, 1.0, 0.02, 0.0], []):
        out["holm"].append({"p": p, "adjusted": holm(p) if p else []})
    path = pathlib.Path(__file__).parent / "statistics.json"
    path.write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
