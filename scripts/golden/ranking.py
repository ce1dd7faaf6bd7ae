#!/usr/bin/env python3
"""Writes crates/trees/src/boosting/golden/ranking.json: gradients and Hessians of LambdaMART on groups with ties, one
row and equal grades, and the scores of LightGBM's `lambdarank` after a few rounds, which those of crates/trees must equal.

LightGBM does not show its gradients. They are those of the formula below, which the script checks against LightGBM
itself: the values of the leaves of one tree are -G / (H + l2) with the sums G and H of their rows, for two values of l2.

    pip install lightgbm==4.7.0 && scripts/golden/ranking.py
"""
import json
import pathlib

import lightgbm as lgb
import numpy as np

OUT = pathlib.Path(__file__).parents[2] / "crates/trees/src/boosting/golden/ranking.json"
rng = np.random.default_rng(11)


def gradients(scores, grades, truncation, weighted=True):
    """`LambdarankNDCG::GetGradientsForOneQuery` of LightGBM 4.7 without its table of the sigmoid."""
    order = np.argsort(-scores, kind="stable")
    discount = 1 / np.log2(np.arange(len(scores)) + 2)
    gain = 2.0**grades - 1
    best = np.sum(np.sort(gain)[::-1][:truncation] * discount[:truncation])
    scale = 1 / best if best > 0 else 0.0
    spread = scores[order[0]] - scores[order[-1]]
    found, total = np.zeros((len(scores), 2)), 0.0
    for i in range(min(truncation, len(scores))):
        for j in range(i + 1, len(scores)):
            first, second = order[i], order[j]
            if grades[first] == grades[second]:
                continue
            high, low = (first, second) if grades[first] > grades[second] else (second, first)
            difference = scores[high] - scores[low]
            factor = 1.0
            if weighted:
                factor = (gain[high] - gain[low]) * (discount[i] - discount[j]) * scale
                if spread > 0:
                    factor /= 0.01 + abs(difference)
            p = 1 / (1 + np.exp(difference))
            found[low] += [factor * p, factor * p * (1 - p)]
            found[high] += [-factor * p, factor * p * (1 - p)]
            total += 2 * factor * p
    return found * (np.log2(1 + total) / total if total > 0 else 1.0)


def all_gradients(scores, grades, sizes, truncation, weighted=True):
    ends = np.cumsum(sizes)
    parts = [gradients(scores[end - size:end], grades[end - size:end], truncation, weighted)
             for size, end in zip(sizes, ends)]
    return np.concatenate(parts)


def plain(params):
    return {"objective": "lambdarank", "verbosity": -1, "min_data_in_bin": 1, "deterministic": True, "num_threads": 1,
            "force_col_wise": True, "feature_pre_filter": False, **params}


def check(x, scores, grades, sizes, truncation):
    """Compares the formula with the leaves of LightGBM's first tree from these scores."""
    expected = all_gradients(scores, grades, sizes, truncation)
    for l2 in (0.0, 1.0):
        params = plain({"num_leaves": 12, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 1e-9, "lambda_l2": l2,
                        "learning_rate": 1.0, "lambdarank_truncation_level": truncation})
        data = lgb.Dataset(x, grades, group=sizes, init_score=scores, params=params)
        model = lgb.train(params, data, 1)
        leaves = model.predict(x, pred_leaf=True).ravel()
        values = model.predict(x, raw_score=True)
        assert len(set(leaves)) > 3
        for leaf in set(leaves):
            rows = leaves == leaf
            g, h = expected[rows].sum(0)
            assert abs(values[rows][0] + g / (h + l2)) < 2e-3 * (1 + abs(g / (h + l2))), (values[rows][0], -g / (h + l2))


sizes = [1, 2, 7, 40, 15, 6, 33, 4, 12, 20]
rows = sum(sizes)
# Few distinct values, so that both have the same bins.
x = np.round(rng.normal(size=(rows, 3)), 1)
utility = x[:, 0] + 0.5 * np.abs(x[:, 1]) + 0.3 * rng.normal(size=rows)
grades = np.clip(np.round(utility + 1), 0, 4) + 0.0
# A group of equal grades, and one without relevant rows.
ends = np.cumsum(sizes)
grades[ends[4]:ends[5]] = 2
grades[ends[6]:ends[7]] = 0
scores = np.round(rng.normal(size=rows), 2)
scores[ends[2]:ends[2] + 5] = 0.25  # ties
cases = []
for truncation in (30, 5):
    check(x, scores, grades, sizes, truncation)
    for name, weighted in (("ndcg", True), ("pairwise", False)):
        cases.append({"loss": name, "truncation": truncation,
                      "pairs": [[float(f"{v:.8g}") for v in pair]
                                for pair in all_gradients(scores, grades, sizes, truncation, weighted)]})
fits = []
for rounds, truncation in ((1, 30), (3, 30), (3, 3)):
    # LightGBM estimates the rows of a leaf from Hessians, rounded bin by bin; with a large sum of them in each leaf this
    # decides nothing.
    params = plain({"num_leaves": 4, "min_data_in_leaf": 0, "min_sum_hessian_in_leaf": 2.0, "learning_rate": 0.3,
                    "lambdarank_truncation_level": truncation})
    model = lgb.train(params, lgb.Dataset(x, grades, group=sizes, params=params), rounds)
    raw = model.predict(x, raw_score=True)
    fits.append({"rounds": rounds, "truncation": truncation, "scores": [float(f"{score:.7g}") for score in raw]})
OUT.write_text(json.dumps({
    "version": lgb.__version__, "sizes": sizes, "numbers": [round(float(v), 1) for v in x.ravel()],
    "grades": grades.tolist(), "scores": scores.tolist(), "gradients": cases, "fits": fits,
}, separators=(",", ":")))
print(OUT, OUT.stat().st_size)
