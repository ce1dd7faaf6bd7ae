#!/usr/bin/env python3
"""Writes crates/eval/src/golden/statistics.json: intervals of SciPy's bootstrap, McNemar's test of statsmodels, and
DeLong's test from its definition.

Needs: scipy 1.17, scikit-learn 1.9, statsmodels 0.15. Prints the path it wrote.
"""
import json
import pathlib
from types import SimpleNamespace

import numpy as np
from scipy import stats
from sklearn import metrics as m
from statsmodels.stats.contingency_tables import mcnemar

rng = np.random.default_rng(20)
OUT = pathlib.Path(__file__).parents[2] / "crates/eval/src/golden/statistics.json"
GAMMA = 0x9E3779B97F4A7C15
SEED = 42
RESAMPLES = 600


def draw(seed: int, position: int) -> int:
    """SplitMix64 as a function of its counter, as in bootstrap/draws.rs."""
    mask = 2**64 - 1
    bits = (seed + GAMMA * (position + 1)) & mask
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & mask
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & mask
    return bits ^ (bits >> 31)


def indices(rows: int) -> np.ndarray:
    """The rows of each resample."""
    keys = [draw(SEED, resample) for resample in range(RESAMPLES)]
    return np.array([[draw(key, i) * rows >> 64 for i in range(rows)] for key in keys])


def interval(rows: int, metric, level: float) -> dict:
    """BCa interval of a metric of row indices, for the resamples that the Rust code draws."""
    def over(index, axis=-1):
        return np.apply_along_axis(metric, axis, index)

    drawn = SimpleNamespace(bootstrap_distribution=np.array([metric(index) for index in indices(rows)]))
    found = stats.bootstrap((np.arange(rows),), over, vectorized=True, n_resamples=0, bootstrap_result=drawn,
                            confidence_level=level, method="BCa")
    return {"value": float(metric(np.arange(rows))), "level": level,
            "low": float(found.confidence_interval.low), "high": float(found.confidence_interval.high)}


def bootstraps(rows: int) -> dict:
    target = rng.gamma(2.0, 2.0, rows).round(3)
    first = (target * rng.lognormal(0.0, 0.3, rows)).round(3)
    second = (target * rng.lognormal(0.0, 0.2, rows) + 0.1).round(3)
    labels = target > np.median(target)

    def mae(values, i):
        return np.abs(values[i] - target[i]).mean()

    def auc(i):
        # scikit-learn's trapezoids round, which would tell apart resamples that tie with all rows.
        x, y = first[i][labels[i]][:, None], first[i][~labels[i]][None, :]
        found = ((x > y).sum() + 0.5 * (x == y).sum()) / (x.size * y.size)
        assert abs(found - m.roc_auc_score(labels[i], first[i])) < 1e-12
        return found

    cases = {
        "mae": lambda i: mae(first, i),
        "rmse": lambda i: np.sqrt(((first[i] - target[i]) ** 2).mean()),
        "r2": lambda i: m.r2_score(target[i], first[i]),
        "roc_auc": auc,
        "mae_difference": lambda i: mae(second, i) - mae(first, i),
    }
    return {
        "seed": SEED, "resamples": RESAMPLES,
        "target": target.tolist(), "first": first.tolist(), "second": second.tolist(), "labels": labels.tolist(),
        "expected": {name: [interval(rows, metric, level) for level in (0.95, 0.8)]
                     for name, metric in cases.items()},
    }


def mcnemars() -> list:
    found = []
    for only_first, only_second in [(1, 0), (3, 9), (10, 10), (40, 71), (500, 610), (20_000, 21_000)]:
        table = [[5, only_first], [only_second, 3]]
        exact, chi2 = mcnemar(table, exact=True), mcnemar(table, exact=False, correction=True)
        found.append({"only_first": only_first, "only_second": only_second, "p_exact": float(exact.pvalue),
                      "statistic": float(chi2.statistic), "p_chi2": float(chi2.pvalue)})
    return found


def delong(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> dict:
    """DeLong, DeLong and Clarke-Pearson (1988), from the comparison of each positive with each negative."""
    def placements(scores):
        x, y = scores[labels][:, None], scores[~labels][None, :]
        psi = (x > y) + 0.5 * (x == y)
        return psi.mean(1), psi.mean(0)

    (v10a, v01a), (v10b, v01b) = placements(first), placements(second)
    s10, s01 = np.cov(v10a, v10b), np.cov(v01a, v01b)
    covariance = s10 / labels.sum() + s01 / (~labels).sum()
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    difference = v10b.mean() - v10a.mean()
    z = difference / np.sqrt(variance)
    return {
        "labels": labels.tolist(), "first_scores": first.tolist(), "second_scores": second.tolist(),
        "first": m.roc_auc_score(labels, first), "second": m.roc_auc_score(labels, second),
        "standard_error": float(np.sqrt(variance)), "p_value": float(2 * stats.norm.sf(abs(z))),
        "low": float(difference - stats.norm.ppf(0.975) * np.sqrt(variance)),
        "high": float(difference + stats.norm.ppf(0.975) * np.sqrt(variance)),
    }


def delongs() -> list:
    found = []
    for rows, decimals in [(25, 1), (120, 2)]:
        labels = rng.random(rows) < 0.4
        # Rounding makes ties.
        first = (rng.normal(size=rows) + labels).round(decimals)
        second = (0.5 * first + rng.normal(size=rows) + labels).round(decimals)
        found.append(delong(labels, first, second))
    return found


OUT.write_text(json.dumps({"bootstrap": bootstraps(60), "mcnemar": mcnemars(), "delong": delongs()}) + "\n")
print(f"wrote {OUT}")
