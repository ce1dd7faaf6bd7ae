#!/usr/bin/env python3
"""Writes crates/eval/src/golden/fairness.json with fairlearn's fairness metrics of one and of two crossed columns,
unweighted and weighted, for two classes and for one of three against the rest.

Needs: fairlearn 0.15. Prints the path it wrote.
"""
import json
import pathlib

import numpy as np
import pandas as pd
from fairlearn import metrics as m

rng = np.random.default_rng(3)
OUT = pathlib.Path(__file__).parents[2] / "crates/eval/src/golden/fairness.json"


def case(rows: int, columns: dict, classes: int, weighted: bool) -> dict:
    groups = pd.DataFrame({name: rng.choice(values, rows) for name, values in columns.items()})
    target_class = rng.integers(0, classes, rows)
    scores = rng.normal(size=(rows, classes)) + np.eye(classes)[target_class]
    probabilities = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    positive = classes - 1
    target, predicted = target_class == positive, probabilities.argmax(1) == positive
    probability = probabilities[:, positive].round(4)
    weights = rng.integers(1, 5, rows) / 2 if weighted else None
    shared = {"sensitive_features": groups, "sample_weight": weights}
    expected = {f"{name}_{kind}": getattr(m, f"{name}_{kind}")(target, predicted, **shared)
                for name in ("demographic_parity", "equalized_odds", "equal_opportunity")
                for kind in ("difference", "ratio")}

    def excess(y_true, y_pred, sample_weight=None):
        return np.average(y_pred, weights=sample_weight) - np.average(y_true, weights=sample_weight)

    parameters = {"sample_weight": weights} if weighted else None
    frame = m.MetricFrame(metrics=excess, y_true=target, y_pred=probability, sensitive_features=groups,
                          sample_params=parameters)
    expected["calibration_gap"] = frame.difference(method="between_groups")
    return {
        "columns": {name: groups[name].tolist() for name in columns},
        "target": target.tolist(), "predicted": predicted.tolist(), "probability": probability.tolist(),
        "weights": weights.tolist() if weighted else [],
        "expected": {name: float(value) for name, value in expected.items()},
    }


OUT.write_text(json.dumps([
    case(80, {"sex": ["f", "m"]}, 2, False),
    case(160, {"sex": ["f", "m"], "band": ["young", "middle", "old"]}, 2, False),
    case(120, {"band": ["young", "middle", "old"]}, 2, True),
    case(150, {"sex": ["f", "m"]}, 3, True),
]) + "\n")
print(f"wrote {OUT}")
