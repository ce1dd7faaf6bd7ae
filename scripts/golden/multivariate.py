#!/usr/bin/env python3
"""Writes crates/monitor/src/golden/multivariate.json: data reconstruction drift of NannyML on an extract of its car loan data.

Needs: nannyml 0.13.1 (with its scikit-learn, category_encoders and pandas). Prints the path it wrote.

Values are taken away; in the last rows a category is new, and one column is shuffled, so that its
distribution stays and its relations go.
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
OUT = pathlib.Path(__file__).parents[2] / "crates/monitor/src/golden/multivariate.json"
DATA = pathlib.Path(nml.__file__).parent / "datasets/data"
NUMBERS = ["car_value", "debt_to_income_ratio", "driver_tenure"]
CATEGORIES = ["salary_range", "repaid_loan_on_prev_car", "size_of_downpayment"]
FIELDS = {
    "value": "error",
    "sampling_error": "sampling_error",
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


def frame(path: str, step: int) -> pd.DataFrame:
    rows = pd.read_csv(DATA / path).iloc[::step].reset_index(drop=True)[NUMBERS + CATEGORIES]
    rows[CATEGORIES] = rows[CATEGORIES].astype(str).astype(object)
    rows[NUMBERS] = rows[NUMBERS].round(4)
    rows.loc[3::17, "car_value"] = np.nan
    rows.loc[5::23, "salary_range"] = np.nan
    return rows


def columns(rows: pd.DataFrame) -> dict:
    return {name: [None if pd.isna(value) else value for value in rows[name].tolist()] for name in rows}


reference = frame("synthetic_car_loan_reference.csv", 100)
analysis = frame("synthetic_car_loan_analysis.csv", 120)
analysis.loc[307::31, "size_of_downpayment"] = "other"
late = analysis.index >= 300
shuffled = analysis.loc[late, "car_value"].sample(frac=1, random_state=0).to_numpy()
analysis.loc[late, "car_value"] = shuffled

calculator = nml.DataReconstructionDriftCalculator(column_names=NUMBERS + CATEGORIES, chunk_size=60)
calculator.fit(reference)
result = calculator.calculate(analysis)
found = []
for _, row in result.to_df().iterrows():
    entry = {"key": row[("chunk", "key")], "period": row[("chunk", "period")]}
    found.append(entry | {name: plain(row[("reconstruction_error", of)]) for of, name in FIELDS.items()})
OUT.write_text(json.dumps({
    "chunk_size": 60,
    "components": int(calculator._pca.n_components_),
    "explained": float(calculator._pca.explained_variance_ratio_.sum()),
    "reference": columns(reference),
    "analysis": columns(analysis),
    "chunks": found,
}, separators=(",", ":")) + "\n")
print(OUT, OUT.stat().st_size)
