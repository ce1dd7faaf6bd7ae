#!/usr/bin/env python3
"""Writes crates/prep/src/transform/golden/transforms.json with scikit-learn's numbers: the output of each transform
for the same columns, fitted on the first rows and applied to all.

Needs: scikit-learn 1.9, numpy. Prints the path it wrote.
"""
import json
import pathlib

import numpy as np
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler, OneHotEncoder, OrdinalEncoder, PowerTransformer, QuantileTransformer, RobustScaler,
    StandardScaler, TargetEncoder,
)

OUT = pathlib.Path(__file__).parents[2] / "crates/prep/src/transform/golden/transforms.json"
rng = np.random.default_rng(0)
n, train = 120, 90

skewed = np.exp(rng.normal(size=n)).round(4)
skewed[rng.random(n) < 0.15] = np.nan
signed = rng.normal(size=n) * 3 + 1
signed[np.r_[rng.integers(12, n, size=12)]] = np.nan
modal = signed.round(0)
few = rng.integers(0, 4, size=n).astype(float)  # many equal values
category = rng.choice(["red", "green", "blue", "rare"], size=n, p=[0.5, 0.3, 0.15, 0.05])
category[3] = "rare"  # at least once among the first rows
outcome = (rng.normal(size=n) + (category == "red") * 2).round(3)
binary = (outcome > 1).astype(int)


def made(pipeline, columns, y=None):
    x = np.column_stack(columns)
    pipeline.fit(x[:train], None if y is None else y[:train])
    out = pipeline.transform(x)
    return np.asarray(out.todense() if hasattr(out, "todense") else out).tolist()


def fill(strategy, **more):
    return SimpleImputer(strategy=strategy, **more)


cases = {}
for name, scaler in {
    "standard": StandardScaler(), "min_max": MinMaxScaler(), "robust": RobustScaler(),
    "power": PowerTransformer(), "quantile": QuantileTransformer(output_distribution="normal", subsample=None),
}.items():
    for column, values in {"skewed": skewed, "signed": signed, "few": few}.items():
        cases[f"{name}/{column}"] = made(make_pipeline(fill("median"), scaler), [values])
cases["mean/skewed"] = made(make_pipeline(fill("mean"), StandardScaler()), [skewed])
cases["mode/modal"] = made(make_pipeline(fill("most_frequent"), StandardScaler()), [modal])
cases["constant/signed"] = made(make_pipeline(fill("constant", fill_value=-1.5), StandardScaler()), [signed])
cases["indicator/skewed"] = made(fill("median", add_indicator=True), [skewed])
cases["knn"] = made(KNNImputer(n_neighbors=5), [skewed, signed, outcome])
cases["one_hot"] = made(OneHotEncoder(handle_unknown="ignore"), [category])
cases["ordinal"] = made(make_pipeline(OrdinalEncoder(), StandardScaler()), [category])
for name, y, kind in (("target/number", outcome, "continuous"), ("target/binary", binary, "binary")):
    cases[name] = made(TargetEncoder(smooth=10.0, target_type=kind), [category], y)

listed = lambda values: [None if v != v else float(v) for v in values]
OUT.write_text(json.dumps({
    "train": train,
    "columns": {"skewed": listed(skewed), "signed": listed(signed), "few": listed(few), "modal": listed(modal), "outcome": listed(outcome)},
    "texts": {"category": category.tolist(), "binary": [str(v) for v in binary]},
    "cases": cases,
}, indent=None, separators=(",", ":")) + "\n")
print(OUT)
