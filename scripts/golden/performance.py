#!/usr/bin/env python3
"""Writes crates/monitor/src/golden/{binary,multiclass,regression}.json: estimates of NannyML on extracts of its own data.

Needs: nannyml 0.13.1 (with its scikit-learn, LightGBM and pandas). Prints the paths it wrote.

Equal probabilities get a small term that grows with the row, since NumPy's sort orders equal values arbitrarily. NannyML's
test whether a class needs calibration sorts calibrated, hence equal, probabilities in this way, too; the extract of three
classes is one where a stable sort leads to the same decisions. The error models of DLE answer rounded values, so that the file holds exactly what NannyML averaged.
"""
import json
import os
import pathlib
import sys
import warnings

# `statistics.py` beside this script would hide the module of that name, which seaborn imports.
sys.path.pop(0)
os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

import nannyml as nml
import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")
OUT = pathlib.Path(__file__).parents[2] / "crates/monitor/src/golden"
DATA = pathlib.Path(nml.__file__).parent / "datasets/data"
FIELDS = {
    "value": "estimate",
    "sampling_error": "sampling_error",
    "realized": "realised",
    "lower_confidence_boundary": "lower_confidence",
    "upper_confidence_boundary": "upper_confidence",
    "lower_threshold": "lower_threshold",
    "upper_threshold": "upper_threshold",
    "alert": "alert",
}


def plain(value):
    if value is None or isinstance(value, (bool, np.bool_)):
        return None if value is None else bool(value)
    return None if np.isnan(value) else float(value)


def chunks(result, metrics) -> list[dict]:
    rows = []
    for _, row in result.to_df().iterrows():
        entry = {"key": row[("chunk", "key")], "period": row[("chunk", "period")], "metrics": {}}
        for metric in metrics:
            entry["metrics"][metric] = {name: plain(row[(metric, of)]) for of, name in FIELDS.items()}
        rows.append(entry)
    return rows


def untied(values: pd.Series, step: float) -> np.ndarray:
    return np.round(np.clip(values.to_numpy() * 0.99 + np.arange(len(values)) * step, 0, 1), 8)


def write(name: str, entry: dict) -> None:
    path = OUT / f"{name}.json"
    path.write_text(json.dumps(entry, separators=(",", ":")) + "\n")
    print(path, path.stat().st_size)


def binary() -> None:
    reference = pd.read_parquet(DATA / "employment_MA_reference.pq").iloc[::120].reset_index(drop=True)
    analysis = pd.read_parquet(DATA / "employment_MA_analysis.pq")
    targets = pd.read_parquet(DATA / "employment_MA_analysis_target.pq")
    analysis = analysis.merge(targets, on="id").iloc[::500].reset_index(drop=True)
    entry = {}
    # As it is, and with probabilities that need no calibration test to be seen as wrong.
    for name, bend in (("plain", 1.0), ("bent", 3.0)):
        frames = []
        for frame in (reference, analysis):
            frame = frame.copy()
            p = untied(frame["predicted_probability"] ** bend, 1.37e-6)
            frame["p"], frame["prediction"] = p, (p > 0.4).astype(int)
            frames.append(frame)
        metrics = ["roc_auc", "f1", "precision", "recall", "specificity", "accuracy", "average_precision"]
        cbpe = nml.CBPE(
            y_pred_proba="p", y_pred="prediction", y_true="employed", problem_type="classification_binary",
            metrics=metrics, chunk_size=160,
        )
        cbpe.fit(frames[0])
        result = cbpe.estimate(frames[1])
        entry[name] = {
            "calibrated": bool(cbpe.needs_calibration),
            "chunk_size": 160,
            "reference": columns(frames[0], "employed"),
            "analysis": columns(frames[1], "employed"),
            "chunks": chunks(result, metrics),
        }
    write("binary", entry)


def columns(frame: pd.DataFrame, target: str) -> dict:
    return {
        "p": frame["p"].tolist(),
        "predicted": frame["prediction"].astype(int).tolist(),
        "target": frame[target].astype(int).tolist(),
    }


def multiclass() -> None:
    classes = ["highstreet_card", "prepaid_card", "upmarket_card"]
    reference = pd.read_csv(DATA / "mc_reference.csv").iloc[30::100].reset_index(drop=True)
    analysis = pd.read_csv(DATA / "mc_analysis.csv")
    targets = pd.read_csv(DATA / "mc_analysis_gt.csv")
    analysis = analysis.merge(targets, on="id").iloc[::200].reset_index(drop=True)
    frames = []
    for frame in (reference, analysis):
        frame = frame.copy()
        p = frame[[f"y_pred_proba_{name}" for name in classes]].to_numpy()
        p = p + np.outer(np.arange(1, len(frame) + 1), [1e-5, 2e-5, 3e-5])
        frame[[f"p_{name}" for name in classes]] = np.round(p / p.sum(1, keepdims=True), 9)
        frames.append(frame)
    metrics = ["roc_auc", "f1", "precision", "recall", "specificity", "accuracy", "average_precision"]
    cbpe = nml.CBPE(
        y_pred_proba={name: f"p_{name}" for name in classes}, y_pred="y_pred", y_true="y_true",
        problem_type="classification_multiclass", metrics=metrics, chunk_number=5,
    )
    cbpe.fit(frames[0])
    result = cbpe.estimate(frames[1])

    def rows(frame: pd.DataFrame) -> dict:
        return {
            "p": frame[[f"p_{name}" for name in classes]].to_numpy().ravel().tolist(),
            "predicted": [classes.index(name) for name in frame["y_pred"]],
            "target": [classes.index(name) for name in frame["y_true"]],
        }

    write("multiclass", {
        "chunk_number": 5,
        "calibrated": [type(cbpe._calibrators[name]).__name__ == "IsotonicCalibrator" for name in classes],
        "reference": rows(frames[0]),
        "analysis": rows(frames[1]),
        "chunks": chunks(result, metrics),
    })


class Rounded:
    """Error model with rounded answers."""

    def __init__(self, model):
        self.model = model

    def predict(self, X):
        return np.round(self.model.predict(X=X), 4)


def regression() -> None:
    features = ["car_age", "km_driven", "price_new", "accident_count", "door_count"]
    reference = pd.read_csv(DATA / "regression_synthetic_reference.csv").iloc[::120].reset_index(drop=True)
    analysis = pd.read_csv(DATA / "regression_synthetic_analysis.csv")
    targets = pd.read_csv(DATA / "regression_synthetic_analysis_targets.csv")
    analysis["y_true"] = targets["y_true"]
    analysis = analysis.iloc[::200].reset_index(drop=True)
    metrics = ["mae", "mape", "mse", "msle", "rmse", "rmsle"]
    dle = nml.DLE(
        feature_column_names=features, y_pred="y_pred", y_true="y_true", metrics=metrics, chunk_size=160,
        timestamp_column_name="timestamp",
        hyperparameters={"n_estimators": 20, "verbose": -1, "random_state": 0},
    )
    dle.fit(reference)
    errors = {}
    for metric in dle.metrics:
        metric._dee_model = Rounded(metric._dee_model)
        errors[metric.column_name] = metric._dee_model.predict(analysis[features + ["y_pred"]]).tolist()
    result = dle.estimate(analysis)
    kept = {"absolute": "mae", "relative": "mape", "squared": "mse", "squared_log": "msle"}
    assert errors["mse"] == errors["rmse"] and errors["msle"] == errors["rmsle"]
    rows = [row for row in chunks(result, metrics) if row["period"] == "analysis"]
    write("regression", {
        "chunk_size": 160,
        "reference": {"predicted": reference["y_pred"].tolist(), "target": reference["y_true"].tolist()},
        "analysis": {"predicted": analysis["y_pred"].tolist(), "target": analysis["y_true"].tolist()},
        "expected_errors": {name: errors[of] for name, of in kept.items()},
        "chunks": rows,
    })


binary()
multiclass()
regression()
