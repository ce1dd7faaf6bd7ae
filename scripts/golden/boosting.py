#!/usr/bin/env python3
"""Writes crates/trees/src/boosting/golden/lightgbm.json with the scores of LightGBM after a few rounds on small tables,
which those of crates/trees must equal: objectives, missing numbers, sets of categories, penalties and limits of growth.

    pip install lightgbm==4.7.0 numpy && scripts/golden/boosting.py
"""
import json
import pathlib

import lightgbm as lgb
import numpy as np

OUT = pathlib.Path(__file__).parents[2] / "crates/trees/src/boosting/golden/lightgbm.json"
ROWS = 500
rng = np.random.default_rng(7)
# Few distinct values, so that every library has the same bins.
numbers = np.round(rng.normal(size=(ROWS, 3)), 1).astype("f4")
numbers[rng.random(ROWS) < 0.2, 1] = np.nan
codes = rng.integers(0, 9, size=ROWS)
effect = np.array([0.5, -1.0, 1.5, 0.0, -0.3, 2.0, -2.0, 0.8, -1.2])[codes]
signal = numbers[:, 0] + np.where(np.isnan(numbers[:, 1]), 1.0, np.abs(numbers[:, 1])) + effect
noisy = signal + rng.normal(size=ROWS)
targets = {
    "squared": np.round(noisy, 2),
    "absolute": np.round(noisy, 2),
    "quantile": np.round(noisy, 2),
    "logistic": (noisy > np.median(noisy)).astype(float),
    "softmax": np.digitize(noisy, np.quantile(noisy, [0.4, 0.7])).astype(float),
}
names = {"squared": "regression", "absolute": "regression_l1", "logistic": "binary", "softmax": "multiclass"}
cases = []
for objective, more in [
    ("squared", {}),
    ("squared", {"lambda_l1": 2.0, "lambda_l2": 5.0, "min_gain_to_split": 3.0}),
    ("squared", {"max_depth": 3, "min_data_in_leaf": 40}),
    ("logistic", {}),
    ("logistic", {"min_sum_hessian_in_leaf": 5.0}),
    # LightGBM estimates the rows of each bin from its rounded Hessian; with one row a leaf this decides nothing.
    ("softmax", {"num_class": 3, "min_data_in_leaf": 1}),
]:
    for categories in [False, True]:
        x = np.column_stack([numbers, codes]) if categories else numbers
        params = {
            "objective": names.get(objective, objective), "num_leaves": 8, "min_data_in_leaf": 5, "verbosity": -1,
            "learning_rate": 0.3, "min_data_in_bin": 1, "min_data_per_group": 20, "deterministic": True,
            "num_threads": 1, "force_col_wise": True, "feature_pre_filter": False, **more,
        }
        data = lgb.Dataset(x, targets[objective], categorical_feature=[3] if categories else [], params=params)
        model = lgb.train(params, data, 3)
        scores = np.asarray(model.predict(x, raw_score=True)).reshape(ROWS, -1)
        cases.append({
            "objective": objective, "categories": categories, "options": more,
            "scores": [float(f"{score:.7g}") for score in scores[::5].ravel()],
        })
OUT.parent.mkdir(exist_ok=True)
OUT.write_text(json.dumps({
    "version": lgb.__version__,
    "numbers": [None if np.isnan(x) else round(float(x), 1) for x in numbers.ravel()],
    "codes": codes.tolist(),
    "targets": {name: y.tolist() for name, y in targets.items() if name not in ("absolute", "quantile")},
    "cases": cases,
}, separators=(",", ":")))
print(OUT, OUT.stat().st_size)
