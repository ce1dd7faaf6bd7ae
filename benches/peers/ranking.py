#!/usr/bin/env python3
"""Rankings of cupola, LightGBM and XGBoost on the same rows; see scripts/bench-ranking, which runs it.

    benches/peers/ranking.py target/release/cupola
"""
import csv
import gzip
import io
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).parents[2]
ROUNDS, PATIENCE, RATE, THREADS = 2000, 50, 0.1, 2
CATEGORIES = ("traveller", "kind")


def ndcg(grades, scores, k):
    order = np.argsort(-scores, kind="stable")
    gains, discount = 2.0**grades - 1, 1 / np.log2(np.arange(len(grades)) + 2)
    discount[k:] = 0
    return (gains[order] * discount).sum() / (np.sort(gains)[::-1] * discount).sum()


def average_precision(grades, scores):
    relevant = (grades > 0)[np.argsort(-scores, kind="stable")]
    return (np.cumsum(relevant) / np.arange(1, len(grades) + 1))[relevant].mean()


def reciprocal_rank(grades, scores):
    return 1 / (1 + np.argmax((grades > 0)[np.argsort(-scores, kind="stable")]))


class Table:
    """Searches in three parts, those of cupola's splits as a column."""

    def __init__(self, name: str, path: pathlib.Path):
        self.name = name
        header, *rows = csv.reader(io.StringIO(gzip.decompress(path.read_bytes()).decode()))
        self.header, self.rows = header, rows
        searches = sorted({row[0] for row in rows})
        order = np.random.default_rng(0).permutation(len(searches))
        place = {searches[index]: rank / len(searches) for rank, index in enumerate(order)}
        share = lambda u: "test" if u < 0.3 else "valid" if u < 0.5 else "train"
        part = np.array([share(place[row[0]]) for row in rows])
        codes = {name: sorted({row[header.index(name)] for row in rows}) for name in CATEGORIES}
        cell = lambda name, text: float(codes[name].index(text)) if name in codes else float(text) if text else np.nan
        x = np.array([[cell(name, text) for name, text in zip(header[1:-1], row[1:-1])] for row in rows])
        y = np.array([float(row[-1]) for row in rows])
        self.categories = [header.index(name) - 1 for name in CATEGORIES]
        self.part, self.parts = part, {}
        for wanted in ("train", "valid", "test"):
            chosen = [i for i in range(len(rows)) if part[i] == wanted]
            names = [rows[i][0] for i in chosen]
            starts = [i for i in range(len(names)) if i == 0 or names[i] != names[i - 1]]
            sizes = np.diff([*starts, len(names)])
            self.parts[wanted] = (x[chosen], y[chosen], sizes)

    def report(self, library: str, scores, rounds: int) -> None:
        _, grades, sizes = self.parts["test"]
        found, start = [], 0
        for size in sizes:
            own, score = grades[start:start + size], np.asarray(scores[start:start + size])
            start += size
            if own.max() > 0:
                found.append([ndcg(own, score, 10), average_precision(own, score), reciprocal_rank(own, score)])
        values = np.mean(found, axis=0)
        print(f"| {self.name} | {library} | {values[0]:.4f} | {values[1]:.4f} | {values[2]:.4f} | {rounds} |", flush=True)


def lightgbm(table: Table) -> None:
    import lightgbm as lgb

    params = {"objective": "lambdarank", "learning_rate": RATE, "num_threads": THREADS, "verbosity": -1, "metric": "ndcg",
              "eval_at": [10]}
    data = {part: lgb.Dataset(x, y, group=sizes, categorical_feature=table.categories, params=params)
            for part, (x, y, sizes) in table.parts.items() if part != "test"}
    data["valid"].reference = data["train"]
    model = lgb.train(params, data["train"], ROUNDS, valid_sets=[data["valid"]],
                      callbacks=[lgb.early_stopping(PATIENCE, verbose=False)])
    table.report("LightGBM lambdarank", model.predict(table.parts["test"][0]), model.best_iteration)


def xgboost(table: Table, objective: str) -> None:
    import xgboost as xgb

    kinds = ["c" if at in table.categories else "q" for at in range(table.parts["train"][0].shape[1])]
    data = {part: xgb.DMatrix(x, y, group=sizes, feature_types=kinds, enable_categorical=True)
            for part, (x, y, sizes) in table.parts.items()}
    params = {"objective": objective, "eta": RATE, "nthread": THREADS, "tree_method": "hist", "eval_metric": "ndcg@10"}
    model = xgb.train(params, data["train"], ROUNDS, evals=[(data["valid"], "valid")], early_stopping_rounds=PATIENCE,
                      verbose_eval=False)
    rounds = model.best_iteration + 1
    table.report(f"XGBoost {objective}", model.predict(data["test"], iteration_range=(0, rounds)), rounds)


def cupola(table: Table, binary: str, loss: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        lines = [[*row, part] for row, part in zip(table.rows, table.part)]
        for name, chosen in [("rows", lines), ("test", [line for line in lines if line[-1] == "test"])]:
            with open(folder / f"{name}.csv", "w", newline="") as out:
                csv.writer(out).writerows([[*table.header, "part"], *chosen])
        (folder / "rank.toml").write_text(
            'name = "rank"\nseed = 1\n[data]\nsource = "rows.csv"\n[split]\nby = "predefined"\ncolumn = "part"\n'
            'valid = 0.2\ntest = 0.3\n[[targets]]\nname = "relevance"\nkind = "rank"\ngroup = "search"\n'
            f'[model]\nfamily = "gbdt"\nrank_loss = "{loss}"\n')
        run = lambda *words: subprocess.run([binary, *words, "--home", "home"], cwd=folder, capture_output=True, text=True)
        done = run("--json", "train", "--config", "rank.toml")
        if done.returncode:
            sys.exit(f"{table.name}: {done.stderr}")
        result = json.loads(done.stdout)
        found = run("predict", "--model", "rank", "--input", "test.csv")
        scores = [json.loads(line)["relevance"]["value"] for line in found.stdout.splitlines()]
        table.report(f"cupola {loss}", scores, result.get("trees", 0))


def main() -> None:
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        large = pathlib.Path(folder) / "large.csv.gz"
        subprocess.run([ROOT / "scripts/make-ranking", "4240", large], check=True, stdout=subprocess.DEVNULL)
        for name, path in [("240 searches", ROOT / "data/hotels.csv.gz"), ("4,240 searches", large)]:
            table = Table(name, path)
            table.report("random order", np.random.default_rng(1).random(len(table.parts["test"][1])), 0)
            for loss in ("ndcg", "pairwise"):
                cupola(table, binary, loss)
            lightgbm(table)
            for objective in ("rank:ndcg", "rank:pairwise"):
                xgboost(table, objective)


if __name__ == "__main__":
    main()
