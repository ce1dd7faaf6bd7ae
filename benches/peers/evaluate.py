"""Evaluation of many rows by Cupola and by scikit-learn; called by scripts/bench-evaluate BINARY ROWS."""

import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

CHUNK = 500_000
GROUPS = ["north", "south", "east", "west"]


def draw(generator, rows):
    """Columns x0 to x4, the group's index, and the class."""
    x = generator.standard_normal((rows, 5)).astype(np.float32)
    group = generator.integers(0, len(GROUPS), rows)
    score = 1.2 * x[:, 0] - 0.7 * x[:, 1] + 0.5 * x[:, 2] * x[:, 3] + 0.4 * (group == 1)
    y = generator.random(rows) < 1 / (1 + np.exp(-score))
    return x, group, y


def write(path, seed, rows):
    generator = np.random.default_rng(seed)
    names = np.array(GROUPS)
    with open(path, "w") as file:
        file.write("x0,x1,x2,x3,x4,region,y\n")
        for start in range(0, rows, CHUNK):
            x, group, y = draw(generator, min(CHUNK, rows - start))
            table = [
                f"{a:.4f},{b:.4f},{c:.4f},{d:.4f},{e:.4f},{g},{'yes' if t else 'no'}"
                for (a, b, c, d, e), g, t in zip(x.tolist(), names[group].tolist(), y.tolist())
            ]
            file.write("\n".join(table) + "\n")


def timed(command, cwd):
    """Seconds, processor seconds and peak megabytes of a command."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{errors}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def peer(rows):
    """Child process: scikit-learn's metrics of as many drawn scores. Prints seconds, processor seconds, megabytes."""
    from sklearn import metrics as m

    generator = np.random.default_rng(3)
    p = generator.random(rows)
    y = generator.random(rows) < p
    start, used = time.perf_counter(), time.process_time()
    chosen = p >= 0.5
    m.accuracy_score(y, chosen)
    m.balanced_accuracy_score(y, chosen)
    m.precision_recall_fscore_support(y, chosen, average="macro")
    m.precision_recall_fscore_support(y, chosen, average="weighted")
    m.precision_recall_fscore_support(y, chosen, average="binary")
    m.matthews_corrcoef(y, chosen)
    m.cohen_kappa_score(y, chosen)
    m.roc_auc_score(y, p)
    m.average_precision_score(y, p)
    m.log_loss(y, p)
    m.brier_score_loss(y, p)
    m.confusion_matrix(y, chosen)
    m.roc_curve(y, p)
    m.precision_recall_curve(y, p)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(time.perf_counter() - start, time.process_time() - used, memory)


def line(name, seconds, processor, memory):
    print(f"{name:<58}{seconds:8.1f} s {processor:8.1f} s {memory:8.0f} MB", flush=True)


def main(binary, rows):
    binary = pathlib.Path(binary).resolve()
    print(f"{rows:,} rows{'':<46}    wall  processor     memory")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write(folder / "train.csv", 1, 50_000)
        write(folder / "new.csv", 2, rows)
        train = [binary, "train", "--data", "train.csv", "--target", "y", "--set", "name=rows"]
        subprocess.run(train, cwd=folder, check=True, capture_output=True)
        predict = [binary, "predict", "--model", "rows", "--input", "new.csv", "--output", "out.csv"]
        line("cupola predict, to a CSV file", *timed(predict, folder))
        (folder / "out.csv").unlink()
        for name, options in [
            ("cupola evaluate, without intervals", ["--resamples", "0"]),
            ("cupola evaluate, 1,000 resamples, groups, report", ["--subgroups", "region"]),
        ]:
            evaluate = [binary, "evaluate", "--model", "rows", "--data", "new.csv", "--out", "report", *options]
            line(name, *timed(evaluate, folder))
        size = (folder / "report/report.html").stat().st_size
        numbers = (folder / "report/metrics.json").stat().st_size
        print(f"report.html {size / 1e6:.2f} MB, metrics.json {numbers / 1e6:.2f} MB")
    child = subprocess.run([sys.executable, __file__, "--peer", str(rows)], check=True, capture_output=True, text=True)
    line("scikit-learn, metrics alone of scores in memory", *map(float, child.stdout.split()))


if __name__ == "__main__":
    if sys.argv[1] == "--peer":
        peer(int(sys.argv[2]))
    else:
        main(sys.argv[1], int(sys.argv[2]))
