#!/usr/bin/env python3
"""Writes crates/eval/src/golden/{metrics,curves}.json with the numbers of scikit-learn, NumPy and SciPy.

Needs: scikit-learn 1.9, SciPy 1.17. Prints the paths it wrote.
"""
import json
import pathlib
import warnings

import numpy as np
from scipy import stats
from sklearn import metrics as m
from sklearn.calibration import calibration_curve

# scikit-learn warns of what is undefined.
warnings.filterwarnings("ignore")
rng = np.random.default_rng(0)
OUT = pathlib.Path(__file__).parents[2] / "crates/eval/src/golden"


def ece(truth, p, weights) -> float:
    """Guo et al. 2017, equation 3: 15 bins of the confidence, each with its upper border."""
    confidence, right = p.max(1), p.argmax(1) == truth
    bins = np.searchsorted(np.linspace(0, 1, 16)[1:-1], confidence)
    gaps = [abs((weights * (right - confidence))[bins == b].sum()) for b in range(15)]
    return sum(gaps) / weights.sum()


def lift(truth, score, weights, share) -> float:
    """Positives among the rows of the highest scores by brute force; the last group of equal scores in part."""
    quota, hits = share * weights.sum(), 0.0
    for value in np.unique(score)[::-1]:
        tied = score == value
        part = min(1.0, quota / weights[tied].sum())
        hits += part * weights[tied & (truth == 1)].sum()
        quota -= part * weights[tied].sum()
        if part < 1.0:
            break
    return hits / share / weights[truth == 1].sum()


def ovo(truth, p, weights) -> float:
    """scikit-learn takes no weights here, so rows are repeated."""
    rows = np.repeat(np.arange(len(truth)), weights.astype(int))
    return m.roc_auc_score(truth[rows], p[rows], multi_class="ovo", labels=list(range(p.shape[1])))


def classification(k: int, n: int, absent: bool = False, exact: bool = False) -> dict:
    truth = rng.integers(0, k - 1 if absent else k, n)
    logits = rng.normal(size=(n, k)) + 1.5 * np.eye(k)[truth]
    # Rounding makes ties, which affect the areas.
    p = np.exp(np.round(logits, 1))
    p /= p.sum(1, keepdims=True)
    if exact:
        p[:5] = np.eye(k)[rng.integers(0, k, 5)]
    weights = rng.integers(1, 4, n).astype(float)
    return {
        "classes": [f"c{i}" for i in range(k)],
        "truth": truth.tolist(),
        "probabilities": p.ravel().tolist(),
        "weights": weights.tolist(),
        "expected": scores(truth, p, np.ones(n)),
        "weighted": scores(truth, p, weights),
        "f2": m.fbeta_score(truth, p.argmax(1), beta=2, average=None, labels=range(k), zero_division=0).tolist(),
        "micro": list(map(float, m.precision_recall_fscore_support(
            truth, p.argmax(1), average="micro", labels=range(1, k), zero_division=0)[:3])),
        "confusion": m.confusion_matrix(truth, p.argmax(1), labels=range(k)).tolist(),
    }


def scores(truth, p, weights) -> dict:
    k, predicted = p.shape[1], p.argmax(1)
    one_hot = np.eye(k)[truth]
    w, labels = {"sample_weight": weights}, {"labels": list(range(k))}
    averaged = {"zero_division": 0, **labels, **w}
    present = np.unique(truth)
    # Classes that do not occur have no area and are left out of the mean.
    area = [m.roc_auc_score(truth == c, p[:, c], **w) for c in present]
    expected = {
        "accuracy": m.accuracy_score(truth, predicted, **w),
        "macro_precision": m.precision_score(truth, predicted, average="macro", **averaged),
        "macro_recall": m.recall_score(truth, predicted, average="macro", **averaged),
        "macro_f1": m.f1_score(truth, predicted, average="macro", **averaged),
        "weighted_precision": m.precision_score(truth, predicted, average="weighted", **averaged),
        "weighted_f1": m.f1_score(truth, predicted, average="weighted", **averaged),
        "balanced_accuracy": m.balanced_accuracy_score(truth, predicted, **w),
        "mcc": m.matthews_corrcoef(truth, predicted, **w),
        "kappa": m.cohen_kappa_score(truth, predicted, **labels, **w),
        "log_loss": m.log_loss(truth, p, **labels, **w),
        "brier": m.brier_score_loss(truth, p[:, 1] if k == 2 else p, **({} if k == 2 else labels), **w),
        "ece": ece(truth, p, weights),
    }
    if k == 2:
        expected |= {
            "precision": m.precision_score(truth, predicted, **w),
            "recall": m.recall_score(truth, predicted, **w),
            "f1": m.f1_score(truth, predicted, **w),
            "roc_auc": m.roc_auc_score(truth, p[:, 1], **w),
            "pr_auc": m.average_precision_score(truth, p[:, 1], **w),
            "lift_at_10": lift(truth, p[:, 1], weights, 0.1),
        }
    else:
        expected |= {
            "roc_auc": np.mean(area),
            "pr_auc": np.mean([m.average_precision_score(one_hot[:, c], p[:, c], **w) for c in present]),
            "roc_auc_ovo": ovo(truth, p, weights),
            "top_3_accuracy": m.top_k_accuracy_score(truth, p, k=3, **labels, **w),
        }
        if len(present) == k:
            assert np.isclose(np.mean(area), m.roc_auc_score(truth, p, multi_class="ovr", **w))
    if k > 5:
        expected["top_5_accuracy"] = m.top_k_accuracy_score(truth, p, k=5, **labels, **w)
    return {key: float(value) for key, value in expected.items()}


def regression(n: int) -> dict:
    truth = rng.normal(3.0, 2.0, n)
    predicted = truth + rng.normal(0.1, 0.7, n)
    weights = rng.integers(0, 4, n).astype(float)
    return {
        "truth": truth.tolist(),
        "predicted": predicted.tolist(),
        "weights": weights.tolist(),
        "expected": errors(truth, predicted, np.ones(n)),
        "weighted": errors(truth, predicted, weights),
    }


def errors(truth, predicted, weights) -> dict:
    w = {"sample_weight": weights}
    kept = weights > 0
    return {
        "rmse": m.root_mean_squared_error(truth, predicted, **w),
        "mae": m.mean_absolute_error(truth, predicted, **w),
        "r2": m.r2_score(truth, predicted, **w),
        "mape": m.mean_absolute_percentage_error(truth, predicted, **w),
        "median_ae": m.median_absolute_error(truth, predicted, **w),
        "explained_variance": m.explained_variance_score(truth, predicted, **w),
        "max_error": m.max_error(truth[kept], predicted[kept]),
        "pinball_0.9": m.mean_pinball_loss(truth, predicted, alpha=0.9, **w),
    }


def forecast(rows: int, horizon: int) -> dict:
    truth = rng.normal(3.0, 2.0, (rows, horizon))
    truth[0, 0] = 0.0
    predicted = truth + rng.normal(0.1, 0.7, (rows, horizon))
    predicted[0, 0] = 0.0
    weights = rng.integers(0, 4, rows).astype(float)
    ensembles = predicted[:, :1] + rng.normal(0.0, 1.0, (rows, 7)).round(1)
    levels = np.array([0.1, 0.25, 0.5, 0.75, 0.9])
    quantiles = np.quantile(ensembles, levels, axis=1).T

    def smape(y, f):
        size = np.abs(y) + np.abs(f)
        return np.divide(2 * np.abs(y - f), size, out=np.zeros_like(y), where=size > 0)

    y = truth[:, 0]
    pairs = np.abs(ensembles[:, :, None] - ensembles[:, None, :]).mean((1, 2))
    crps = np.abs(ensembles - y[:, None]).mean(1) - pairs / 2
    of_quantiles = [2 * m.mean_pinball_loss(y, quantiles[:, i], alpha=a, sample_weight=weights)
                    for i, a in enumerate(levels)]
    return {
        "horizon": horizon,
        "naive": 1.7,
        "truth": truth.ravel().tolist(),
        "predicted": predicted.ravel().tolist(),
        "weights": weights.tolist(),
        "smape": smape(truth, predicted).mean(),
        "smape_by_step": np.average(smape(truth, predicted), axis=0, weights=weights).tolist(),
        "mase_by_step": (np.average(np.abs(truth - predicted), axis=0, weights=weights) / 1.7).tolist(),
        "members": 7,
        "ensembles": ensembles.ravel().tolist(),
        "crps_of_ensemble": np.average(crps, weights=weights),
        "levels": levels.tolist(),
        "quantiles": quantiles.ravel().tolist(),
        "crps_of_quantiles": float(np.mean(of_quantiles)),
    }


def anomaly(n: int) -> dict:
    labels = rng.random(n) < 0.2
    # Two decimals, so that there are ties.
    scores = np.round(rng.random(n) + 0.4 * labels, 2)
    weights = rng.integers(0, 4, n).astype(float)
    copies = np.repeat(np.arange(n), weights.astype(int))

    def expected(rows):
        own, truth = scores[rows], labels[rows]
        hits = lift(truth.astype(int), own, np.ones(len(own)), 10 / len(own)) * truth.sum() * 10 / len(own)
        return {
            "roc_auc": m.roc_auc_score(truth, own),
            "average_precision": m.average_precision_score(truth, own),
            "score_p50": float(np.quantile(own, 0.5)),
            "score_p95": float(np.quantile(own, 0.95)),
            "score_p99": float(np.quantile(own, 0.99)),
            "precision_at_10": hits / 10,
            "recall_at_10": hits / truth.sum(),
        }

    return {
        "scores": scores.tolist(),
        "labels": labels.tolist(),
        "weights": weights.tolist(),
        "expected": expected(np.arange(n)),
        "weighted": expected(copies),
    }


def ranking(groups: int) -> dict:
    sizes = rng.integers(2, 9, groups)
    group = np.repeat(np.arange(groups), sizes)
    relevance = rng.integers(0, 4, len(group)).astype(float) * (rng.random(len(group)) < 0.6)
    # The first group has no relevant row.
    relevance[group == 0] = 0.0
    scores = np.round(rng.random(len(group)), 1)
    weights = rng.integers(1, 4, groups).astype(float)
    kept = [g for g in range(groups) if relevance[group == g].any()]
    of = [(relevance[group == g][None], scores[group == g][None], weights[g]) for g in kept]

    def mean(values):
        return [float(np.mean(values)), float(np.average(values, weights=[w for _, _, w in of]))]

    return {
        "groups": group.tolist(),
        "relevance": relevance.tolist(),
        "scores": scores.tolist(),
        "weights": weights.tolist(),
        "ndcg": mean([m.ndcg_score(r, s) for r, s, _ in of]),
        "ndcg_at_3": mean([m.ndcg_score(r, s, k=3) for r, s, _ in of]),
        "map": mean([m.average_precision_score(r[0] > 0, s[0]) for r, s, _ in of]),
    }


def curves(n: int) -> dict:
    labels = rng.random(n) < 0.3
    scores = np.clip(np.round(rng.random(n) * 0.8 + 0.2 * labels, 2), 0, 1)
    weights = rng.integers(1, 4, n).astype(float)
    w = {"sample_weight": weights}
    fpr, tpr, thresholds = m.roc_curve(labels, scores, drop_intermediate=False, **w)
    precision, recall, _ = m.precision_recall_curve(labels, scores, **w)
    observed, predicted = calibration_curve(labels, scores, n_bins=15)
    counts, edges = np.histogram(scores, bins=7)
    residuals = rng.normal(0.3, 2.0, 60)
    ranks = (np.arange(60) + 0.5) / 60
    ordered = np.sort((residuals - residuals.mean()) / residuals.std())
    return {
        "labels": labels.tolist(),
        "scores": scores.tolist(),
        "weights": weights.tolist(),
        "roc": [list(point) for point in zip(fpr, tpr)],
        "thresholds": thresholds[1:].tolist(),
        "precision_recall": [list(point) for point in zip(recall[::-1], precision[::-1])],
        "calibration": [list(point) for point in zip(predicted, observed)],
        "edges": edges.tolist(),
        "counts": counts.tolist(),
        "residuals": residuals.tolist(),
        "qq": [list(point) for point in zip(stats.norm.ppf(ranks), ordered)],
    }


def write(name: str, content: dict) -> None:
    path = OUT / name
    path.write_text(json.dumps(content) + "\n")
    print(f"wrote {path}")


write("metrics.json", {
    "classification": [
        classification(2, 60),
        classification(4, 80),
        classification(7, 60, exact=True),
        classification(4, 40, absent=True),
        classification(2, 40, exact=True),
    ],
    "regression": regression(41),
    "forecast": forecast(12, 3),
    "anomaly": anomaly(60),
    "ranking": ranking(12),
})
write("curves.json", curves(120))
