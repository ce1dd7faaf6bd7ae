#!/usr/bin/env python3
"""Writes crates/monitor/src/drift/golden/embeddings.json and crates/monitor/src/drift/golden/texts.json: the drift of
embeddings and of texts that Evidently finds.

Needs: evidently 0.7.23 (pip install evidently==0.7.23 scikit-learn==1.9.1 "pandas<3"). Prints the paths it wrote.

The data are formulas of row and component, so that the tests make the same: u = ((row * a + at * 7919 + row * at * 31 + b) mod m) / m
is the place of a value between 0 and 1, and of a word in a list.
"""
import functools
import json
import pathlib
import warnings

import numpy as np
import pandas as pd
from evidently.legacy.calculations.stattests.registry import get_stattest
from evidently.legacy.core import ColumnType
from evidently.legacy.metrics.data_drift.embedding_drift_methods import distance, mmd, model, ratio
from evidently.legacy.utils.data_drift_utils import roc_auc_random_classifier_percentile
from sklearn.model_selection import train_test_split

warnings.filterwarnings("ignore")
ROOT = pathlib.Path(__file__).parents[2] / "crates/monitor/src"
WORDS = ("the late train was cancelled at night refund please pay back ticket price seat window friendly staff coffee cold "
         "warm station delay hour minute platform luggage lost found phone app crash login password order").split()
METHODS = {
    "model": model(), "ratio": ratio(), "distance": distance(), "mmd": mmd(),
    "cosine": distance(dist="cosine"), "cityblock": distance(dist="cityblock"), "chebyshev": distance(dist="chebyshev"),
}


def unit(row, at, spec):
    m = 1_000_003
    return ((row * spec["a"] + at * 7919 + row * at * 31 + spec["b"]) % m) / m


def vectors(spec) -> pd.DataFrame:
    row, at = np.arange(spec["n"])[:, None], np.arange(spec["width"])[None, :]
    values = (unit(row, at, spec) - 0.5) * spec["scale"] + np.where(at % 3 == 0, spec["shift"], 0.0)
    return pd.DataFrame(values, columns=[f"e{at}" for at in range(spec["width"])])


def texts(spec) -> pd.Series:
    def text(row):
        count = 2 + int(unit(row, 99, spec) * 9)
        u = [unit(row, at, spec) for at in range(count)]
        places = [int(value * value * spec["words"]) + spec["from"] for value in u]
        return " ".join(WORDS[place % len(WORDS)] for place in places)

    return pd.Series([text(row) for row in range(spec["n"])])


def embedding(n, width, shift=0.0, scale=1.0, a=7919, b=17) -> dict:
    return {"n": n, "width": width, "shift": shift, "scale": scale, "a": a, "b": b}


def words(n, words, start=0, a=7919, b=17) -> dict:
    return {"n": n, "words": words, "from": start, "a": a, "b": b}


def compared_vectors(reference, current) -> dict:
    scores = {}
    for name, method in METHODS.items():
        score, drifted, _ = method(vectors(current), vectors(reference))
        scores[name] = [float(score), bool(drifted)]
    return {"reference": reference, "current": current, "scores": scores}


def compared_texts(reference, current) -> dict:
    a, b = texts(reference), texts(current)
    kind = ColumnType("text")
    result = {"reference": reference, "current": current, "default": get_stattest(a, b, kind, None).name, "scores": {}}
    found = get_stattest(a, b, kind, "abs_text_content_drift")(a.copy(), b.copy(), kind, None)
    score, limit = float(found.drift_score), limit_of(len(a), len(b))
    result["scores"]["abs_text_content_drift"] = [score, bool(found.drifted)]
    # As calculate_text_drift_score has it: the same area, compared with that of random guesses.
    result["scores"]["perc_text_content_drift"] = [score, score > limit]
    return {**result, "limit": limit}


@functools.cache
def limit_of(n, m) -> float:
    labels = np.array([0] * n + [1] * m)
    test = train_test_split(labels, test_size=0.5, random_state=42, shuffle=True)[1]
    return float(roc_auc_random_classifier_percentile(test, p_value=1 - 0.95))


def write(path, cases):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(cases, separators=(",", ":")) + "\n")
    print(path)


write(ROOT / "drift/golden/embeddings.json", [
    compared_vectors(embedding(n, width), embedding(m, width, a=104729, **other))
    for n, m, width in [(60, 40, 3), (300, 200, 16), (1200, 150, 5)]
    for other in [{}, {"shift": 0.05}, {"shift": 0.4}, {"scale": 1.6}]
])
write(ROOT / "drift/golden/texts.json", [
    compared_texts(words(n, 30), words(m, k, start, a=104729))
    for n, m in [(40, 30), (400, 300), (1100, 500)]
    for k, start in [(30, 0), (30, 3), (24, 0), (12, 22)]
])
