#!/usr/bin/env python3
"""Writes crates/monitor/src/drift/golden/evidently.json with the drift scores and verdicts of Evidently.

Needs: evidently 0.7.23 (pip install evidently==0.7.23 "pandas<3"). Prints the path it wrote.

The data are formulas of a row's index, so that the tests make the same numbers: x = ((i * a + b) mod m) / m, a number is
x * x * scale + shift, and a category is "v" with floor(x * x * k).
"""
import json
import pathlib
import warnings
from contextlib import nullcontext
from unittest import mock

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.legacy.calculations.stattests.registry import get_stattest
from evidently.legacy.core import ColumnType
from evidently.presets import DataDriftPreset

warnings.filterwarnings("ignore")
OUT = pathlib.Path(__file__).parents[2] / "crates/monitor/src/drift/golden/evidently.json"
RANKS = ["cramer_von_mises", "mannw", "anderson", "es"]
NUMBERS = ["ks", "wasserstein", "jensenshannon", "psi", "kl_div", "hellinger", "ed", "t_test", *RANKS]
CATEGORIES = ["chisquare", "z", "jensenshannon", "psi", "kl_div", "hellinger"]
# Evidently has these for samples of the same size only; TVD draws permutations of the rows, which are sorted here.
EQUAL_SIZES = ["g_test", "fisher_exact", "TVD"]


def unit(n, a, b):
    m = 1_000_003
    return ((np.arange(n) * a + b) % m) / m


def numbers(spec) -> pd.Series:
    x = unit(spec["n"], spec["a"], spec["b"])
    values = x * x * spec["scale"] + spec["shift"]
    return pd.Series(np.floor(values) if spec["whole"] else values)


def categories(spec) -> pd.Series:
    x = unit(spec["n"], spec["a"], spec["b"])
    return pd.Series([f"v{int(value)}" for value in np.floor(x * x * spec["k"]) + spec["shift"]])


def sorted_categories(spec) -> pd.Series:
    return categories(spec).sort_values(ignore_index=True)


def number(n, scale=1.0, shift=0.0, whole=False, a=7919, b=17) -> dict:
    return {"n": n, "a": a, "b": b, "scale": scale, "shift": shift, "whole": whole}


def category(n, k, shift=0, a=7919, b=17) -> dict:
    return {"n": n, "a": a, "b": b, "k": k, "shift": shift}


def compared(kind, reference, current, make, methods) -> dict:
    """The default statistic and the others that Evidently can compute."""
    kind = ColumnType(kind)
    a, b = make(reference), make(current)
    default = get_stattest(a, b, kind, None)
    distinct = pd.concat([a, b]).nunique()
    scores = {}
    for name in methods:
        if name in ["z", "fisher_exact"] and distinct > 2:
            continue
        try:
            # The exact distribution of Cramér-von Mises would count paths in floats of as few bits as possible.
            exact = mock.patch.object(np, "min_scalar_type", lambda _: np.dtype(np.int64))
            with exact if name == "cramer_von_mises" else nullcontext():
                result = get_stattest(a, b, kind, name)(a.copy(), b.copy(), kind, None)
        except ValueError as error:
            print(f"left out {name} of {reference} {current}: {error}"[:150])
            continue
        scores[name] = [float(result.drift_score), bool(result.drifted), result.actual_threshold]
    if default.name not in scores:
        result = default(a.copy(), b.copy(), kind, None)
        scores[default.name] = [float(result.drift_score), bool(result.drifted), result.actual_threshold]
    return {"reference": reference, "current": current, "default": default.name, "scores": scores}


def preset() -> dict:
    """Share of drifted columns in a report of Evidently."""
    specs = {
        "same": [number(1500), number(900, a=104729)],
        "moved": [number(1500), number(900, shift=0.2, a=104729)],
        "wider": [number(1500), number(900, scale=1.5, a=104729)],
        "near": [number(1500), number(900, scale=1.05, a=104729)],
    }
    names = list(specs)
    frames = [pd.DataFrame({name: numbers(specs[name][side]) for name in names}) for side in [0, 1]]
    definition = DataDefinition(numerical_columns=names)
    reference, current = [Dataset.from_pandas(frame, definition) for frame in frames]
    found = Report([DataDriftPreset()]).run(current, reference).dict()["metrics"]
    count = next(entry["value"] for entry in found if "DriftedColumnsCount" in entry["metric_name"])
    scores = [entry["value"] for entry in found if "ValueDrift" in entry["metric_name"]]
    columns = [{"name": name, "specs": specs[name], "score": float(score)} for name, score in zip(names, scores)]
    return {"columns": columns, "count": float(count["count"]), "share": float(count["share"])}


document = {
    "numbers": [
        compared("num", number(n), number(m, **other), numbers, NUMBERS)
        for n, m in [(300, 300), (500, 700), (1000, 12000), (100, 15000), (1500, 900), (30000, 20000)]
        for other in [{"a": 104729}, {"a": 104729, "shift": 0.02}, {"scale": 1.2, "b": 3}, {"shift": 0.7}]
    ]
    + [
        compared("num", number(n, k, whole=True), number(m, k, whole=True, a=104729, b=b), numbers,
                 ["jensenshannon", "psi", "kl_div"])
        for n, m in [(400, 500), (1200, 800)]
        for k in [1, 2, 4, 5]
        for b in [9, 99999]
    ]
    + [
        compared("num", number(n, **one), number(m, a=104729, **other), numbers, RANKS)
        for n, m in [(6, 6), (8, 30), (12, 7), (5, 400), (20, 18), (9, 2000)]
        for one, other in [({}, {}), ({}, {"shift": 0.3}), ({"scale": 9, "whole": True}, {"scale": 7, "whole": True})]
    ]
    + [compared("num", number(400, 9, whole=True), number(500, 9, 1, whole=True), numbers, ["ks", "psi"])],
    "categories": [
        compared("cat", category(n, k), category(m, k, shift, a=a), categories, CATEGORIES)
        for n, m in [(400, 500), (1200, 30)]
        for k in [1, 2, 3, 12]
        for shift, a in [(0, 104729), (0, 7919), (1, 104729)]
    ]
    + [
        compared("cat", category(n, k), category(n, k, a=104729, b=b), sorted_categories, EQUAL_SIZES)
        for n in [60, 200]
        for k in [1, 2, 3]
        for b in [9, 333333]
    ],
    "preset": preset(),
}
OUT.parent.mkdir(exist_ok=True)
# A score that is not a number is null.
text = json.dumps(document, separators=(",", ":")).replace("NaN", "null")
OUT.write_text(text + "\n")
print(OUT)
