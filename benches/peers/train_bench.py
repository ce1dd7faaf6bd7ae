"""Runs Cupola and PyTorch in turns on the workloads of train_workloads.py and prints a table. Run by scripts/bench-train.

Cupola's step times are the `seconds` of the run's events.jsonl, PyTorch's those of train_torch.py; each turn is a new process.
The first fifth of the steps of a turn is warm-up, and with `torch.compile` the compilation.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import train_workloads as workloads

HERE = pathlib.Path(__file__).resolve().parent
# Seconds after which a process that hangs is ended.
LIMIT = 1200
COLUMNS = ["workload", "parameters", "cupola ms", "spread", "eager ms", "compile ms", "ratio eager", "ratio compile", "MB cupola",
           "MB eager"]


class Failed(Exception):
    pass


def arguments():
    parser = argparse.ArgumentParser(prog="bench-train")
    parser.add_argument("--only", metavar="NAME,...", help=f"some of {', '.join(workloads.WORKLOADS)}")
    parser.add_argument("--json", metavar="FILE", help="all times, ratios and sizes")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--steps", type=int, help="steps of a turn, at least 8; default: by workload, 20 to 200")
    parser.add_argument("--peer", choices=["eager", "compile", "both"], default="both")
    parser.add_argument("--growth", action="store_true", help="batch, width, depth and length of mlp, cnn and gpt")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clip", type=float, default=0.0, help="limit of the gradients' norm on both sides; 0 for none")
    parser.add_argument("--plain-adamw", action="store_true", help="PyTorch's default AdamW in place of its fused one")
    args = parser.parse_args()
    known = workloads.GROWTH if args.growth else workloads.WORKLOADS
    args.only = args.only.split(",") if args.only else list(known)
    if unknown := [name for name in args.only if name not in known]:
        parser.error(f"unknown workload {', '.join(unknown)}; expected some of {', '.join(known)}")
    if args.turns < 1 or args.steps is not None and args.steps < 8:
        parser.error("expected at least 1 turn of at least 8 steps")
    return args


def run(command, log, env):
    """Runs a command. Returns the peak of its resident memory in MB and its wall time in seconds."""
    began = time.perf_counter()
    with open(log, "w") as out, open(f"{log}.err", "w") as errors:
        process = subprocess.Popen(list(map(str, command)), stdout=out, stderr=errors, stdin=subprocess.DEVNULL, env=env)
        timer = threading.Timer(LIMIT, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        lines = pathlib.Path(f"{log}.err").read_text().strip().splitlines() or [f"exit code {process.returncode}"]
        raise Failed(" ".join(lines)[:300] if "cupola" in str(command[0]) else lines[-1][:300])
    return usage.ru_maxrss / 1024, time.perf_counter() - began


def cupola_turn(name, work, folder, steps, env, pretrained):
    """One run of the binary in a home of its own."""
    binary, home, log = os.environ["CUPOLA"], folder / "home", folder / "cupola.log"
    shutil.rmtree(home, ignore_errors=True)
    if pretrained:
        run([binary, "--home", home, "models", "import", "--from", "hf", pretrained, "--name", "bert_start"], log, env)
    peak, wall = run([binary, "--home", home, "train", "--config", folder / "run.toml", "--device", "flex", "--max-steps", steps],
                     log, env)
    count = re.search(r"parameters in all: ([\d,]+)", log.read_text())
    (events,) = home.glob("runs/*/events.jsonl")
    events = [json.loads(line) for line in events.read_text().splitlines()]
    # The last batch of an epoch is smaller.
    seconds = [e["seconds"] for e in events if e["event"] == "step" and e["examples"] == work["batch"]]
    (network,) = home.glob(f"models/{name}/*/config.json")
    return {"seconds": seconds, "peak_mb": peak, "wall_s": wall, "parameters": int(count[1].replace(",", "")),
            "network": json.loads(network.read_text())}


def torch_turn(mode, work, network, loss, folder, steps, args, env):
    """One process of train_torch.py with the network that Cupola has trained."""
    (source,) = network["sources"]
    job = {"family": work["family"], "sizes": work["sizes"], "block": source["block"], "output": network["output"], "loss": loss,
           "batch": work["batch"], "rows": workloads.BATCHES * work["batch"], "steps": steps, "mode": mode, "clip": args.clip,
           "threads": args.threads, "fused": not args.plain_adamw}
    log = folder / f"{mode}.log"
    peak, wall = run([sys.executable, HERE / "train_torch.py", json.dumps(job)], log, env)
    return {**json.loads(log.read_text().splitlines()[-1]), "peak_mb": peak, "wall_s": wall}


def summary(turns):
    """Median and spread of the turns' medians, in milliseconds, and the largest memory."""
    timed = [sorted(turn["seconds"][max(2, len(turn["seconds"]) // 5):]) for turn in turns]
    medians = [1e3 * statistics.median(turn) for turn in timed]
    steps = sorted(1e3 * second for turn in timed for second in turn)
    return {"median_ms": statistics.median(medians), "turns_ms": medians, "p10_ms": steps[len(steps) // 10],
            "p90_ms": steps[len(steps) * 9 // 10], "peak_mb": max(turn["peak_mb"] for turn in turns),
            "base_mb": turns[0].get("base_mb"), "parameters": turns[0]["parameters"], "torch": turns[0].get("torch"),
            "wall_s": statistics.median(turn["wall_s"] for turn in turns)}


def measure(name, work, args, root):
    """All turns of one workload."""
    steps, found, notes = args.steps or work["steps"], {"cupola": []}, []
    env = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(root / "inductor")}
    env |= {f"{library}_NUM_THREADS": str(args.threads) for library in ("RAYON", "OMP", "MKL")}
    modes = ["eager", "compile"] if args.peer == "both" else [args.peer]
    with tempfile.TemporaryDirectory(dir=root) as folder:
        folder = pathlib.Path(folder)
        loss, pretrained = workloads.prepare(name, work, folder, args.clip)
        for turn in range(args.turns):
            found["cupola"].append(cupola_turn(name, work, folder, steps, env, pretrained))
            network = found["cupola"][0]["network"]
            for mode in list(modes):
                try:
                    found.setdefault(mode, []).append(torch_turn(mode, work, network, loss, folder, steps, args, env))
                except Failed as failure:
                    modes.remove(mode)
                    del found[mode]
                    notes.append(f"{mode}: {failure}")
    row = {side: summary(turns) for side, turns in found.items()}
    for mode in modes:
        each = [ours / theirs for ours, theirs in zip(row["cupola"]["turns_ms"], row[mode]["turns_ms"])]
        row[f"ratio_{mode}"] = {"median": row["cupola"]["median_ms"] / row[mode]["median_ms"], "low": min(each), "high": max(each)}
        if row[mode]["parameters"] != row["cupola"]["parameters"]:
            notes.append(f"{mode} has {row[mode]['parameters']:,} parameters")
    return {"workload": name, "batch": work["batch"], "sizes": work["sizes"], "steps": steps, **row, "notes": sorted(set(notes))}


def cells(label, row):
    time_of = lambda side: f'{row[side]["median_ms"]:.2f}' if side in row else "-"
    ratio = lambda side: "{median:.2f} ({low:.2f}-{high:.2f})".format(**row[side]) if side in row else "-"
    low, high = min(row["cupola"]["turns_ms"]), max(row["cupola"]["turns_ms"])
    return [label, f'{row["cupola"]["parameters"]:,}', time_of("cupola"), f"{low:.2f}-{high:.2f}", time_of("eager"), time_of("compile"),
            ratio("ratio_eager"), ratio("ratio_compile"), f'{row["cupola"]["peak_mb"]:.0f}',
            "{peak_mb:.0f} ({base_mb:.0f})".format(**row["eager"]) if "eager" in row else "-"]


def line(values):
    print("| " + " | ".join(values) + " |", flush=True)


def growth(rows):
    """Times and memory relative to the workload that all points of it share."""
    peer = "eager" if any("eager" in row for row in rows) else "compile"
    print("\nRelative to the workload itself:\n")
    line(["point", "cupola time", f"{peer} time", "cupola MB", f"{peer} MB"])
    line(["---", *["---:"] * 4])
    base = {row["workload"]: row for row in rows if not row["axis"]}
    for row in rows:
        if not row["axis"]:
            continue
        times = lambda side, key: f'{row[side][key] / base[row["workload"]][side][key]:.2f}' if side in row else "-"
        line([row["label"], *(times(side, key) for key in ("median_ms", "peak_mb") for side in ("cupola", peer))])


def main():
    args, rows, failed = arguments(), [], False
    # Both sides get the same cores.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:args.threads])
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    machine = f"{model[1] if model else 'unknown processor'}, {len(os.sched_getaffinity(0))} of {os.cpu_count()} cores"
    print(f"{machine}; {args.turns} turns each\n")
    line(COLUMNS)
    line(["---", *["---:"] * (len(COLUMNS) - 1)])
    with tempfile.TemporaryDirectory(prefix="bench-train-") as root:
        for name in args.only:
            points = workloads.grown(name) if args.growth else {("", ""): workloads.WORKLOADS[name]}
            for (axis, value), work in points.items():
                label = f"{name}, {axis} {value}" if axis else name
                try:
                    row = {"label": label, "axis": axis, "value": value, **measure(name, work, args, pathlib.Path(root))}
                except Failed as failure:
                    failed = True
                    line([label, f"failed: {failure}", *["-"] * (len(COLUMNS) - 2)])
                    continue
                rows.append(row)
                line(cells(label, row))
                failed |= bool(row["notes"])
    for row in rows:
        for note in row["notes"]:
            print(f'\n{row["label"]}: {note}')
    if args.growth:
        growth(rows)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps({"machine": machine, "threads": args.threads, "rows": rows}, indent=1) + "\n")
    sys.exit(failed)


main()
