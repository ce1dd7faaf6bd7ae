#!/usr/bin/env python3
"""Writes crates/eval/src/golden/attribution.json: trees of scikit-learn and XGBoost with the Shapley values of shap, and
partial dependence of scikit-learn and accumulated local effects of PyALE for a small forest.

Needs: shap 0.51, scikit-learn 1.9, xgboost 3.2, PyALE 1.2, pandas. Prints the path it wrote.
"""
import json
import pathlib

import numpy as np
import pandas as pd
import shap
import xgboost
from PyALE import ale
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import partial_dependence
from sklearn.tree import DecisionTreeClassifier

OUT = pathlib.Path(__file__).parents[2] / "crates/eval/src/golden/attribution.json"
rng = np.random.default_rng(7)


def table(n: int, width: int, missing: float = 0.0):
    x = rng.normal(size=(n, width)).astype(np.float32).astype(float)
    y = 2 * x[:, 0] - x[:, 1] * x[:, 2] + np.where(x[:, 3] > 0.3, 1.5, 0.0) + rng.normal(size=n) / 5
    if missing:
        x[rng.random(x.shape) < missing] = np.nan
    return x, y


def above(threshold: float) -> float:
    """scikit-learn sends a value to the left if it is at most the threshold, these trees if it is below.

    A threshold is infinite where only missing values go to the right, which JSON cannot say.
    """
    return min(float(np.nextafter(threshold, np.inf)), 1e300)


def of_sklearn(tree, scale=1.0, output=0):
    nodes = []
    for i in range(tree.node_count):
        cover = float(tree.weighted_n_node_samples[i])
        if tree.children_left[i] < 0:
            value = tree.value[i][0]
            nodes.append({"leaf": {"value": float(value[output]) * scale, "cover": cover}})
            continue
        left, right = int(tree.children_left[i]), int(tree.children_right[i])
        nodes.append({"split": {
            "feature": int(tree.feature[i]), "threshold": above(tree.threshold[i]), "left": left, "right": right,
            "missing": left if tree.missing_go_to_left[i] else right, "cover": cover,
        }})
    return nodes


def of_xgboost(booster):
    trees = []
    model = json.loads(booster.save_raw("json"))["learner"]
    for tree in model["gradient_booster"]["model"]["trees"]:
        nodes = []
        for i, left in enumerate(tree["left_children"]):
            cover = tree["sum_hessian"][i]
            # The text has the digits of a 32-bit number.
            condition = float(np.float32(tree["split_conditions"][i]))
            if left < 0:
                nodes.append({"leaf": {"value": condition, "cover": cover}})
                continue
            right = tree["right_children"][i]
            nodes.append({"split": {
                "feature": tree["split_indices"][i], "threshold": condition, "left": left, "right": right,
                "missing": left if tree["default_left"][i] else right, "cover": cover,
            }})
        trees.append(nodes)
    return trees


def case(name, base, trees, rows, explainer, scores, output=None):
    values = explainer.shap_values(rows)
    expected = np.atleast_1d(explainer.expected_value)
    if output is not None:
        values, expected = values[..., output], expected[[output]]
    return {
        "name": name, "base": float(base), "trees": trees,
        "rows": [[None if np.isnan(x) else float(x) for x in row] for row in rows],
        "expected": float(expected[0]), "shapley": np.asarray(values, float).tolist(),
        "scores": np.asarray(scores, float).tolist(),
    }


def boosted(name, missing, objective):
    x, y = table(300, 5, missing)
    y = (y > 0.5).astype(float) if objective.startswith("binary") else y
    parameters = {"objective": objective, "max_depth": 4, "eta": 0.4, "base_score": 0.5, "seed": 0}
    booster = xgboost.train(parameters, xgboost.DMatrix(x, y), 5)
    rows = x[:6]
    scores = booster.predict(xgboost.DMatrix(rows), output_margin=True)
    base = 0.0 if objective.startswith("binary") else 0.5
    return case(name, base, of_xgboost(booster), rows, shap.TreeExplainer(booster), scores)


def forest(x, y):
    return RandomForestRegressor(4, max_depth=5, min_samples_leaf=3, random_state=0).fit(x, y)


def with_missing():
    x, y = table(200, 4, 0.15)
    model = DecisionTreeClassifier(max_depth=6, random_state=0).fit(x, y > 0)
    rows = x[:6]
    trees = [of_sklearn(model.tree_, output=1)]
    return case("tree with missing values", 0, trees, rows, shap.TreeExplainer(model), model.predict_proba(rows)[:, 1], 1)


x, y = table(200, 4)
model = forest(x, y)
parts = [of_sklearn(tree.tree_, 1 / len(model.estimators_)) for tree in model.estimators_]
cases = [
    case("forest", 0, parts, x[:6], shap.TreeExplainer(model), model.predict(x[:6])),
    with_missing(),
    boosted("boosted, binary", 0.0, "binary:logistic"),
    boosted("boosted with missing values", 0.2, "reg:squarederror"),
]
rows = x[:60]
found = partial_dependence(model, rows, [0], grid_resolution=9, percentiles=(0.05, 0.95), kind="average", method="brute")
frame = pd.DataFrame(rows, columns=list("abcd"))
names = type("Named", (), {"predict": lambda self, rows: model.predict(rows.to_numpy())})()
local = ale(X=frame, model=names, feature=["a"], grid_size=8, include_CI=False, plot=False)
golden = {
    "cases": cases,
    "effects": {
        "rows": rows.tolist(),
        "grid": found["grid_values"][0].tolist(),
        "dependence": found["average"][0].tolist(),
        "edges": local.index.tolist(),
        "ale": local["eff"].tolist(),
        "counts": local["size"].tolist(),
    },
}
OUT.write_text(json.dumps(golden, separators=(",", ":"), allow_nan=False) + "\n")
print(OUT, OUT.stat().st_size)
