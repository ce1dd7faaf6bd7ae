#!/usr/bin/env python3
"""Out-of-bag scores of scikit-learn's forests.

Needs numpy and scikit-learn 1.9.1. Writes crates/trees/src/forest/golden/out_of_bag.json.
"""

import json
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

ROWS, COLUMNS, TREES, SEEDS = 240, 3, 60, 24

random = np.random.default_rng(4)
values = random.random((ROWS, COLUMNS)).astype(np.float32)
numbers = (values[:, 0] - values[:, 1] ** 2 + 0.3 * random.standard_normal(ROWS)).astype(np.float32)
classes = np.digitize(numbers, [-0.1, 0.4])


def scores(forest, targets):
    """Mean and deviation of `oob_score_` over seeds."""
    found = [
        forest(n_estimators=TREES, oob_score=True, random_state=seed).fit(values, targets).oob_score_
        for seed in range(SEEDS)
    ]
    return [float(np.mean(found)), float(np.std(found, ddof=1))]


golden = {
    "columns": COLUMNS,
    "values": [float(f"{x:.9g}") for x in values.ravel()],
    "classes": classes.tolist(),
    "numbers": [float(f"{x:.9g}") for x in numbers],
    "trees": TREES,
    "accuracy": scores(RandomForestClassifier, classes),
    "r2": scores(RandomForestRegressor, numbers),
}
path = Path(__file__).parents[2] / "crates/trees/src/forest/golden/out_of_bag.json"
path.write_text(json.dumps(golden) + "\n")
