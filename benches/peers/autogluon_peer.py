#!/usr/bin/env python3
"""Trains AutoGluon on a folder with train.csv, valid.csv and test.csv and prints its predictions of the test rows as JSON.

    benches/peers/autogluon_peer.py FOLDER TARGET KIND PRESET SECONDS
"""
import json
import os
import pathlib
import sys

import pandas as pd
from autogluon.tabular import TabularPredictor

folder, target, kind, preset, seconds = sys.argv[1:]
parts = {part: pd.read_csv(pathlib.Path(folder) / f"{part}.csv") for part in ("train", "valid", "test")}
# Bagging presets choose their own folds of all rows that are not tested.
rows = pd.concat([parts["train"], parts["valid"]])
metric = {"number": "root_mean_squared_error", "binary": "roc_auc", "multiclass": "accuracy"}[kind]
predictor = TabularPredictor(target, path=str(pathlib.Path(folder) / "models"), eval_metric=metric, verbosity=0,
                             problem_type="regression" if kind == "number" else kind)
predictor.fit(rows, presets=f"{preset}_quality", time_limit=float(seconds), num_cpus=int(os.environ.get("OMP_NUM_THREADS", 2)))
test = parts["test"].drop(columns=[target])
if kind == "number":
    found = predictor.predict(test).tolist()
elif kind == "binary":
    found = predictor.predict_proba(test)[predictor.class_labels[-1]].tolist()
else:
    labels = sorted(predictor.class_labels)
    found = predictor.predict_proba(test)[labels].to_numpy().tolist()
print("predictions", json.dumps(found))
