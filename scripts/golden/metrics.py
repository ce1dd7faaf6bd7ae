#!/usr/bin/env python3
"""Writes crates/eval/src/golden/metrics.json with scikit-learn's numbers.

Needs: scikit-learn 1.9. Prints the path it wrote.
"""
import json
import pathlib

import numpy as np
from sklearn import metrics as m

rng = np.random.default_rng(0)
OUT = pathlib.Path(__file__).parents[2] / "crates/eval/src/golden/metrics.json"


def classification(k: int, n: int) -> dict:
    truth = rng.integers(0, k, n)
    logits = rng.normal(size=(n, k)) + 1.5 * np.eye(k)[truth]
    # Rounding makes ties, which affect the AUC.
    p = np.exp(np.round(logits, 1))
    p = (p / p.sum(1, keepdims=True)).astype(np.float32)
    predicted = p.argmax(1)
    q = p.astype(np.float64)
    q /= q.sum(1, keepdims=True)
    expected = {
        "accuracy": m.accuracy_score(truth, predicted),
        "macro_precision": m.precision_score(truth, predicted, average="macro", zero_division=0),
        "macro_recall": m.recall_score(truth, predicted, average="macro", zero_division=0),
        "macro_f1": m.f1_score(truth, predicted, average="macro", zero_division=0),
        "roc_auc": m.roc_auc_score(truth, p[:, 1]) if k == 2
        else m.roc_auc_score(truth, q, multi_class="ovr", average="macro"),
        "log_loss": m.log_loss(truth, q, labels=list(range(k))),
    }
    if k == 2:
        expected |= {
            "precision": m.precision_score(truth, predicted),
            "recall": m.recall_score(truth, predicted),
            "f1": m.f1_score(truth, predicted),
        }
    return {
        "classes": [f"c{i}" for i in range(k)],
        "truth": truth.tolist(),
        "probabilities": [float(str(x)) for x in p.ravel()],
        "expected": {key: float(value) for key, value in expected.items()},
        "confusion": m.confusion_matrix(truth, predicted, labels=list(range(k))).tolist(),
    }


def regression(n: int) -> dict:
    truth = rng.normal(3.0, 2.0, n)
    predicted = truth + rng.normal(0.0, 0.7, n)
    return {
        "truth": truth.tolist(),
        "predicted": predicted.tolist(),
        "expected": {
            "rmse": float(np.sqrt(m.mean_squared_error(truth, predicted))),
            "mae": m.mean_absolute_error(truth, predicted),
            "r2": m.r2_score(truth, predicted),
        },
    }


def anomaly(n: int) -> dict:
    labels = rng.random(n) < 0.2
    # Two decimals, so that there are ties.
    scores = np.round(rng.random(n) + 0.4 * labels, 2)
    return {
        "scores": scores.tolist(),
        "labels": labels.tolist(),
        "expected": {
            "roc_auc": m.roc_auc_score(labels, scores),
            "average_precision": m.average_precision_score(labels, scores),
            "score_p50": float(np.quantile(scores, 0.5)),
            "score_p95": float(np.quantile(scores, 0.95)),
            "score_p99": float(np.quantile(scores, 0.99)),
        },
    }


OUT.write_text(json.dumps({
    "classification": [classification(2, 60), classification(4, 80)],
    "regression": regression(40),
    "anomaly": anomaly(60),
}) + "\n")
print(f"wrote {OUT}")
