#!/usr/bin/env python3
"""Writes crates/import/src/golden/trees: small models of XGBoost and LightGBM, rows, predictions and contributions.

Needs: xgboost 3.2, lightgbm 4.7, pandas 3.1, NumPy. Prints the paths it wrote.
"""
import json
import pathlib

import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb

OUT = pathlib.Path(__file__).parents[2] / "crates/import/src/golden/trees"
N = 240
WORDS = ["iron", "zinc", "été", "lead, raw", "tin", "copper", "gold", "silver"]


def table(seed: int, words: list | None = None) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({
        "heat": rng.normal(size=N),
        # Far from zero and close together: 32-bit floats can't tell these numbers apart.
        "time": 1.7e9 + rng.integers(0, 200, N),
        "count": rng.poisson(1.0, N).astype(float),
    })
    data.loc[rng.random(N) < 0.15, "heat"] = np.nan
    if words:
        data["metal"] = pd.Categorical(rng.choice(words, N), categories=words)
        data["grade"] = pd.Categorical(rng.choice([10, 2, 33], N), categories=[10, 2, 33])
        data.loc[rng.random(N) < 0.1, "metal"] = None
    return data


def signal(data: pd.DataFrame, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed + 100)
    y = np.nan_to_num(data["heat"], nan=0.7) + 0.02 * (data["time"] - 1.7e9) - 0.5 * (data["count"] == 0)
    if "metal" in data:
        y += data["metal"].isin(["zinc", "tin", "gold"]) * 2.0 + (data["grade"] == 2) * 1.0
    return (y + 0.1 * rng.normal(size=len(y))).to_numpy()


def edges(data: pd.DataFrame, thresholds: list, kind) -> pd.DataFrame:
    """Rows whose numbers are thresholds, their neighbours and zeros; the other columns are those of the first rows."""
    numbers = [name for name in data.columns if data[name].dtype == float]
    rows = data.head(40).copy()
    rows.loc[rows.index[0], numbers] = np.nan
    rows.loc[rows.index[1], numbers] = 0.0
    rows.loc[rows.index[2], numbers] = -0.0
    rows.loc[rows.index[3], numbers] = 1e-36
    at = 4
    for feature, threshold in thresholds:
        if at + 4 > len(rows) or data.columns[feature] not in numbers:
            continue
        for value in (kind(threshold), np.nextafter(kind(threshold), kind(-np.inf)),
                      np.nextafter(kind(threshold), kind(np.inf))):
            rows.loc[rows.index[at], data.columns[feature]] = float(value)
            at += 1
    return rows


def plain(value):
    if isinstance(value, float) and np.isnan(value) or value is None or value is pd.NA:
        return None
    return value.item() if hasattr(value, "item") else value


def write(name: str, columns: list, rows: pd.DataFrame, predictions, contributions) -> None:
    records = [[plain(value) for value in row] for row in rows.itertuples(index=False)]
    case = {
        "columns": columns,
        "rows": records,
        "predictions": np.asarray(predictions, dtype=float).reshape(len(rows), -1).tolist(),
        # Of the features, then the base, for each output.
        "contributions": np.asarray(contributions, dtype=float).reshape(len(rows), -1)[:12].tolist(),
    }
    path = OUT / f"{name}.golden.json"
    path.write_text(json.dumps(case, ensure_ascii=False) + "\n")
    print(path)


def xgboost_case(name: str, params: dict, data: pd.DataFrame, y, rounds: int, suffix: str = "json", **more) -> None:
    params = {"max_depth": 3, "seed": 1, "nthread": 1, **params}
    train = xgb.DMatrix(data, y, enable_categorical=True)
    booster = xgb.train(params, train, rounds, **more)
    path = OUT / f"xgboost_{name}.{suffix}"
    booster.save_model(path)
    print(path)
    splits = []
    model = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]
    for tree in model.get("gbtree", model)["model"]["trees"]:
        splits += [(f, np.float32(c)) for f, c, l in
                   zip(tree["split_indices"], tree["split_conditions"], tree["left_children"]) if l >= 0]
    rows = edges(data, splits[::3], np.float32)
    # Half of a step of a 32-bit float below a threshold rounds to it.
    feature, threshold = next(split for split in splits if data.columns[split[0]] == "heat")
    rows.iloc[39, feature] = np.nextafter(float(threshold), -np.inf)
    matrix = xgb.DMatrix(rows, enable_categorical=True)
    best = booster.attributes().get("best_iteration")
    end = (0, int(best) + 1) if best else (0, 0)
    write(f"xgboost_{name}", list(data.columns), rows,
          booster.predict(matrix, iteration_range=end),
          booster.predict(matrix, iteration_range=end, pred_contribs=True))


def lightgbm_case(name: str, params: dict, data: pd.DataFrame, y, rounds: int, **more) -> None:
    params = {"num_leaves": 6, "min_data_in_leaf": 5, "min_data_per_group": 5, "cat_smooth": 1, "verbose": -1, "seed": 1,
              "num_threads": 1, "deterministic": True, **params}
    booster = lgb.train(params, lgb.Dataset(data, y), rounds, **more)
    path = OUT / f"lightgbm_{name}.txt"
    booster.save_model(path)
    print(path)
    trees = booster.trees_to_dataframe()
    trees = trees[trees["decision_type"] == "<="]
    splits = [(list(data.columns).index(f), float(t)) for f, t in zip(trees["split_feature"], trees["threshold"])]
    rows = edges(data, splits[::3], np.float64)
    write(f"lightgbm_{name}", list(data.columns), rows, booster.predict(rows), booster.predict(rows, pred_contrib=True))


def main() -> None:
    OUT.mkdir(exist_ok=True)
    data, mixed = table(1), table(2, WORDS)
    # XGBoost 3.2 cuts the names of pandas' categories if one of them is not ASCII.
    ascii_mixed = table(2, [word.replace("é", "e") for word in WORDS])
    y, z = signal(data, 1), signal(mixed, 2)
    classes = np.digitize(y, np.quantile(y, [0.4, 0.8]))
    binary = (y > np.median(y)).astype(int)
    # A third of these classes is wrong, so that training ends after its best iteration.
    other = np.where(np.arange(N // 2) % 3 == 0, (classes[::2] + 1) % 3, classes[::2])

    xgboost_case("binary", {"objective": "binary:logistic"}, data, binary, 6)
    xgboost_case("classes", {"objective": "multi:softprob", "num_class": 3, "eta": 0.4}, data, classes, 12, suffix="ubj",
                 evals=[(xgb.DMatrix(data[::2], other), "other")], early_stopping_rounds=3, verbose_eval=False)
    xgboost_case("dart", {"booster": "dart", "rate_drop": 0.5, "one_drop": 1}, data, y, 6)
    xgboost_case("poisson", {"objective": "count:poisson"}, data, np.round(np.exp(y / 2)), 6)
    xgboost_case("gamma_forest", {"objective": "reg:gamma", "num_parallel_tree": 3, "subsample": 0.5, "eta": 1}, data,
                 np.exp(y), 2)
    xgboost_case("share", {"objective": "reg:logistic", "base_score": 0.2}, data, 1 / (1 + np.exp(-y)), 5)
    xgboost_case("categories", {"max_cat_to_onehot": 4, "min_child_weight": 3}, ascii_mixed, z, 6)

    lightgbm_case("binary", {"objective": "binary", "sigmoid": 0.7}, data, binary, 6)
    lightgbm_case("classes", {"objective": "multiclass", "num_class": 3}, data, classes, 5)
    lightgbm_case("zero", {"objective": "regression", "zero_as_missing": True, "learning_rate": 0.5}, data, y, 6)
    lightgbm_case("forest", {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}, data,
                  binary, 5)
    lightgbm_case("dart", {"objective": "regression_l1", "boosting": "dart", "drop_rate": 0.5}, data, y, 6)
    lightgbm_case("gamma", {"objective": "gamma"}, data, np.exp(y), 5)
    lightgbm_case("root", {"objective": "regression", "reg_sqrt": True}, data, y * np.abs(y), 5)
    lightgbm_case("share", {"objective": "cross_entropy"}, data, 1 / (1 + np.exp(-y)), 5)
    lightgbm_case("categories", {"objective": "regression", "max_cat_to_onehot": 3, "cat_l2": 1}, mixed, z, 6)


if __name__ == "__main__":
    main()
