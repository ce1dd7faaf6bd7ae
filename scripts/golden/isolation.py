#!/usr/bin/env python3
"""Writes crates/prep/src/transform/golden/isolation.json: isolation trees of scikit-learn and its scores of several rows.

Needs: scikit-learn 1.9, numpy. Prints the path it wrote.
"""
import json
import pathlib

import numpy as np
from sklearn.ensemble import IsolationForest

OUT = pathlib.Path(__file__).parents[2] / "crates/prep/src/transform/golden/isolation.json"
rng = np.random.default_rng(3)
x = rng.normal(size=(200, 2)).astype(np.float32).astype(float)
forest = IsolationForest(n_estimators=8, max_samples=32, random_state=0).fit(x)


def flat(tree):
    """Flattens a tree, with the right child of a node directly after the left one."""
    out = {"column": [], "cut": [], "left": [], "rows": []}

    def grow():
        for values, blank in zip(out.values(), (-1, 0.0, 0, 0)):
            values.append(blank)

    def put(place, node):
        out["rows"][place] = int(tree.n_node_samples[node])
        if tree.children_left[node] < 0:
            return
        first = len(out["column"])
        out["column"][place] = int(tree.feature[node])
        out["cut"][place] = float(tree.threshold[node])
        out["left"][place] = first
        grow()
        grow()
        put(first, tree.children_left[node])
        put(first + 1, tree.children_right[node])

    grow()
    put(0, 0)
    return out


rows = np.vstack([x[:20], [[4, -4], [0, 6], [0, 0]]]).astype(np.float32).astype(float)
golden = {
    "sample": int(forest.max_samples_),
    "trees": [flat(tree.tree_) for tree in forest.estimators_],
    "rows": rows.tolist(),
    "scores": (-forest.score_samples(rows)).tolist(),
}
OUT.write_text(json.dumps(golden) + "\n")
print(OUT)
