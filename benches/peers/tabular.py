#!/usr/bin/env python3
"""Presets of cupola beside other libraries at equal time; see scripts/bench-tabular, which runs it.

    benches/peers/tabular.py target/release/cupola [--seconds 300] [--cpu] [--preset good] [--autogluon] [--skip LIBRARY]... [TABLE...]
"""
import argparse
import io
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

import trees
from trees import ROOT, THREADS, TABLES, Table

ROUNDS, PATIENCE = 2000, 50


def packaged(kind: str, member: str, read) -> pd.DataFrame:
    import importlib.machinery
    import importlib.util

    loader = importlib.machinery.SourceFileLoader("check_tables", str(ROOT / "scripts/check-tables"))
    tables = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_tables", loader))
    loader.exec_module(tables)
    archive = tables.archive(kind)
    found = next(m for m in archive.getmembers() if m.name.endswith("/" + member))
    return read(io.BytesIO(archive.extractfile(found).read()))


TABLES["german"] = ("credit", False, lambda: packaged("raw", "raw/german.csv", pd.read_csv), None)
# The class "None" is a text.
TABLES["birdstrikes"] = ("Effect Amount of damage", False, lambda: packaged(
    "data", "data/birdstrikes.csv", lambda file: pd.read_csv(file, keep_default_na=False, na_values=[""])), None)


def score(table: Table, y, found) -> float:
    """The metric of a table; larger is better."""
    if table.number:
        return -float(np.sqrt(np.mean((found - y) ** 2)))
    if table.classes == 2:
        return float(roc_auc_score(y, found))
    return float((np.asarray(found).argmax(1) == y).mean())


def draw(rng, first: bool, defaults: dict, ranges: dict) -> dict:
    if first:
        return defaults
    return {key: pick(rng) for key, pick in ranges.items()}


def rate(rng) -> float:
    return float(np.exp(rng.uniform(np.log(0.01), np.log(0.3))))


def lightgbm(table: Table, rng, first: bool):
    import lightgbm as lgb

    objective = "regression" if table.number else "binary" if table.classes == 2 else "multiclass"
    own = draw(rng, first, {"learning_rate": 0.1}, {
        "learning_rate": rate, "num_leaves": lambda r: int(r.integers(8, 256)), "min_data_in_leaf": lambda r: int(r.integers(2, 60)),
        "feature_fraction": lambda r: r.uniform(0.4, 1.0), "bagging_fraction": lambda r: r.uniform(0.5, 1.0),
        "bagging_freq": lambda r: 1, "lambda_l2": lambda r: float(np.exp(r.uniform(-7, 3)))})
    params = {"objective": objective, "num_threads": THREADS, "verbosity": -1, **own}
    if table.classes > 2:
        params["num_class"] = table.classes
    train = lgb.Dataset(*table.parts["train"], params=params)
    valid = lgb.Dataset(*table.parts["valid"], reference=train)
    model = lgb.train(params, train, ROUNDS, valid_sets=[valid], callbacks=[lgb.early_stopping(PATIENCE, verbose=False)])
    return lambda part: model.predict(table.parts[part][0])


def xgboost(table: Table, rng, first: bool):
    import xgboost as xgb

    objective = "reg:squarederror" if table.number else "binary:logistic" if table.classes == 2 else "multi:softprob"
    own = draw(rng, first, {"eta": 0.1}, {
        "eta": rate, "max_depth": lambda r: int(r.integers(3, 11)), "min_child_weight": lambda r: float(np.exp(r.uniform(-3, 4))),
        "subsample": lambda r: r.uniform(0.5, 1.0), "colsample_bytree": lambda r: r.uniform(0.4, 1.0),
        "lambda": lambda r: float(np.exp(r.uniform(-5, 3)))})
    params = {"objective": objective, "nthread": THREADS, "tree_method": "hist", **own}
    if table.classes > 2:
        params["num_class"] = table.classes
    train = xgb.QuantileDMatrix(*table.parts["train"], enable_categorical=True, nthread=THREADS)
    valid = xgb.QuantileDMatrix(*table.parts["valid"], enable_categorical=True, nthread=THREADS, ref=train)
    model = xgb.train(params, train, ROUNDS, evals=[(valid, "valid")], early_stopping_rounds=PATIENCE, verbose_eval=False)
    rounds = (0, model.best_iteration + 1)
    return lambda part: model.predict(xgb.DMatrix(table.parts[part][0], enable_categorical=True), iteration_range=rounds)


def catboost(table: Table, rng, first: bool):
    from catboost import CatBoostClassifier, CatBoostRegressor

    def as_text(part: str):
        x = table.parts[part][0].copy()
        for column in table.categories:
            x[column] = x[column].astype(str).fillna("missing")
        return x

    own = draw(rng, first, {}, {
        "learning_rate": rate, "depth": lambda r: int(r.integers(4, 9)), "l2_leaf_reg": lambda r: float(np.exp(r.uniform(0, 3))),
        "random_strength": lambda r: r.uniform(0.0, 2.0)})
    model = (CatBoostRegressor if table.number else CatBoostClassifier)(
        iterations=ROUNDS, early_stopping_rounds=PATIENCE, thread_count=THREADS, verbose=False, allow_writing_files=False,
        cat_features=table.categories, **own)
    model.fit(as_text("train"), table.parts["train"][1], eval_set=(as_text("valid"), table.parts["valid"][1]))

    def predict(part: str):
        found = model.predict(as_text(part)) if table.number else model.predict_proba(as_text(part))
        return found[:, 1] if table.classes == 2 else found

    return predict


def sklearn(table: Table, rng, first: bool):
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    def codes(part: str):
        x = table.parts[part][0].copy()
        for column in table.categories:
            # At most 255 categories; the rarest share one.
            common = list(table.parts["train"][0][column].value_counts().index[:250])
            x[column] = pd.Categorical(x[column], categories=common).codes
        return x

    own = draw(rng, first, {"learning_rate": 0.1}, {
        "learning_rate": rate, "max_leaf_nodes": lambda r: int(r.integers(8, 128)), "min_samples_leaf": lambda r: int(r.integers(2, 60)),
        "l2_regularization": lambda r: float(np.exp(r.uniform(-7, 3))), "max_features": lambda r: r.uniform(0.4, 1.0)})
    kind = HistGradientBoostingRegressor if table.number else HistGradientBoostingClassifier
    model = kind(max_iter=ROUNDS, n_iter_no_change=PATIENCE, early_stopping=True,
                 categorical_features=table.categories or None, **own)
    model.fit(codes("train"), table.parts["train"][1], X_val=codes("valid"), y_val=table.parts["valid"][1])

    def predict(part: str):
        found = model.predict(codes(part)) if table.number else model.predict_proba(codes(part))
        return found[:, 1] if table.classes == 2 else found

    return predict


def cpu_time() -> float:
    """CPU seconds of this process, its threads and the processes that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def search(table: Table, fit, seconds: float, clock) -> float:
    """Test score of the best of the draws that begin within the time."""
    rng, began, best = np.random.default_rng(1), clock(), None
    valid, longest = table.parts["valid"][1].to_numpy(), 0.0
    # A draw that would not end in time is not begun.
    while best is None or clock() - began + longest < seconds:
        started = clock()
        predict = fit(table, rng, best is None)
        found = score(table, valid, predict("valid"))
        longest = max(longest, clock() - started)
        if best is None or found > best[0]:
            best = (found, predict)
    return score(table, table.parts["test"][1].to_numpy(), best[1]("test"))


def cupola(table: Table, binary: str, preset: str, seconds: float) -> float:
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        table.frame.to_csv(folder / "rows.csv", index=False)
        kind = "number" if table.number else "category"
        (folder / "table.toml").write_text(
            f'name = "{table.name}"\nseed = 1\n[data]\nsource = "rows.csv"\n[split]\nby = "predefined"\ncolumn = "part"\n'
            f'valid = 0.1\ntest = 0.2\n[[targets]]\nname = "{table.target}"\nkind = "{kind}"\n[model]\nfamily = "gbdt"\n')
        run = subprocess.run([binary, "--json", "train", "--config", "table.toml", "--preset", preset, "--time",
                              f"{seconds:g}s", "--home", "home"], cwd=folder, capture_output=True, text=True)
        if run.returncode:
            sys.exit(f"{table.name}: {run.stderr}")
        metrics = json.loads(run.stdout)["metrics"]
        if table.number:
            return -metrics["rmse"]
        return metrics["roc_auc" if table.classes == 2 else "accuracy"]


def autogluon(table: Table, preset: str, seconds: float) -> float:
    kind = "number" if table.number else "binary" if table.classes == 2 else "multiclass"
    with tempfile.TemporaryDirectory() as folder:
        for part, (x, y) in table.parts.items():
            x.assign(**{table.target: y}).to_csv(pathlib.Path(folder) / f"{part}.csv", index=False)
        run = subprocess.run([os.environ["AUTOGLUON_PYTHON"], str(ROOT / "benches/peers/autogluon_peer.py"), folder, table.target,
                              kind, preset, f"{seconds:g}"], capture_output=True, text=True)
        lines = [line for line in run.stdout.splitlines() if line.startswith("predictions ")]
        if run.returncode or not lines:
            sys.exit(f"{table.name}: {run.stderr}")
        found = np.array(json.loads(lines[-1].removeprefix("predictions ")))
        return score(table, table.parts["test"][1].to_numpy(), found)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("tables", nargs="*", default=[])
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--preset", default="good", choices=["fast", "good", "best"])
    parser.add_argument("--autogluon", action="store_true")
    parser.add_argument("--cpu", action="store_true",
                        help="equal CPU time, for a machine with other work: the libraries get that of cupola within --seconds")
    parser.add_argument("--skip", action="append", default=[], help="a library to leave out, such as 'AutoGluon good'")
    args = parser.parse_intermixed_args()
    binary = str(pathlib.Path(args.binary).resolve())
    clock, given = cpu_time if args.cpu else time.perf_counter, args.seconds
    peers = {f"cupola {args.preset}": lambda table: cupola(table, binary, args.preset, args.seconds)}
    for name, fit in {"LightGBM": lightgbm, "XGBoost": xgboost, "CatBoost": catboost, "scikit-learn": sklearn}.items():
        peers[name] = lambda table, fit=fit: search(table, fit, given, clock)
    if args.autogluon:
        for preset in ("medium", "good"):
            peers[f"AutoGluon {preset}"] = lambda table, preset=preset: autogluon(table, preset, args.seconds)
    peers = {name: run for name, run in peers.items() if name not in args.skip}
    scores = {}
    print("| table | library | metric on the test rows | time |\n|---|---|---|---|")
    for name in args.tables or list(TABLES):
        table = trees.Table(name)
        metric = "rmse" if table.number else "roc_auc" if table.classes == 2 else "accuracy"
        for peer, run in peers.items():
            began = clock()
            scores[name, peer] = run(table)
            seconds = clock() - began
            if args.cpu and peer.startswith("cupola"):
                given = seconds
            print(f"| {name} | {peer} | {metric} {abs(scores[name, peer]):.5g} | {seconds:.0f} s |", flush=True)
    names = sorted({name for name, _ in scores})
    ranks = pd.DataFrame({name: {peer: scores[name, peer] for peer in peers} for name in names}).rank(ascending=False)
    print("\n| library | mean rank | first |\n|---|---|---|")
    for peer, row in ranks.sort_values(by=names).assign(mean=ranks.mean(axis=1)).sort_values("mean").iterrows():
        first = int((row[names] == 1).sum())
        print(f"| {peer} | {row['mean']:.2f} | {first} of {len(names)} |")


if __name__ == "__main__":
    main()
