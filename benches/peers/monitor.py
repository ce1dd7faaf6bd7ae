"""Cost of monitoring in the server, and a report of drift by Cupola and by Evidently; called by scripts/bench-monitor."""

import argparse
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

CHUNK = 500_000
REFERENCE_ROWS = 50_000
GROUPS = ["north", "south", "east", "west"]
WRK = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
local n = 0
request = function()
  n = n + 1
  local body = string.format('{"rows": [{"x0": %d.5, "x1": 0.25, "x2": -%d.125, "x3": 1, "x4": 0, "region": "west"}]}', n % 3, n % 2)
  return wrk.format(nil, nil, nil, body)
end
"""


def draw(generator, rows, moved):
    """Columns x0 to x4, the group's index, and the class; x1 is shifted and x3 is wider if the data has moved."""
    x = generator.standard_normal((rows, 5)).astype(np.float32)
    if moved:
        x[:, 1] += 0.4
        x[:, 3] *= 1.5
    group = generator.integers(0, len(GROUPS), rows)
    score = 1.2 * x[:, 0] - 0.7 * x[:, 1] + 0.5 * x[:, 2] * x[:, 3] + 0.4 * (group == 1)
    return x, group, generator.random(rows) < 1 / (1 + np.exp(-score))


def write(path, seed, rows, moved):
    generator, names = np.random.default_rng(seed), np.array(GROUPS)
    with open(path, "w") as file:
        file.write("x0,x1,x2,x3,x4,region,y\n")
        for start in range(0, rows, CHUNK):
            x, group, y = draw(generator, min(CHUNK, rows - start), moved)
            file.writelines(
                f"{a:.4f},{b:.4f},{c:.4f},{d:.4f},{e:.4f},{g},{'yes' if t else 'no'}\n"
                for (a, b, c, d, e), g, t in zip(x.tolist(), names[group].tolist(), y.tolist())
            )


def timed(command, cwd, accepted=(0,)):
    """Seconds, processor seconds and peak megabytes of a command."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in accepted:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{errors}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def peer(folder):
    """Child process: Evidently's report of the file new.csv against train.csv, as HTML."""
    import pandas
    from evidently import Report
    from evidently.presets import DataDriftPreset

    folder = pathlib.Path(folder)
    reference, current = pandas.read_csv(folder / "train.csv"), pandas.read_csv(folder / "new.csv")
    Report([DataDriftPreset()]).run(current, reference).save_html(str(folder / "evidently.html"))


def line(name, figures, size):
    seconds, processor, memory = figures
    print(f"{name:<42}{seconds:8.1f} s {processor:8.1f} s {memory:8.0f} MB {size / 1e6:8.2f} MB", flush=True)


def reports(binary, folder, rows):
    print(f"\n{rows:,} rows against {REFERENCE_ROWS:,}{'':<18}    wall  processor     memory   report")
    write(folder / "new.csv", 2, rows, True)
    report = [binary, "monitor", "report", "--model", "rows", "--data", "new.csv", "--out", "found"]
    figures = timed(report, folder)
    line("cupola monitor report, sealed profile", figures, (folder / "found/monitor.html").stat().st_size)
    figures = timed([*report, "--reference", "train.csv"], folder)
    line("cupola monitor report, reference file", figures, (folder / "found/monitor.html").stat().st_size)
    figures = timed([sys.executable, __file__, "--peer", str(folder)], folder)
    line("Evidently 0.7.23, both files", figures, (folder / "evidently.html").stat().st_size)


def serve(binary, folder, config):
    process = subprocess.Popen([binary, "serve", "--config", config, "--port", "0"], cwd=folder, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    for text in process.stdout:
        if text.startswith("ready"):
            return process, text.split()[1]
    sys.exit("the server did not start")


def processor_seconds(process):
    """User and system time of a process so far."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask(server, script, clients):
    """Requests per second and requests of a turn, and the processor time that the server took for them."""
    process, url = server
    began = processor_seconds(process)
    out = subprocess.run(["wrk", "-t1", f"-c{clients}", "-d1s", "-s", script, url + "/v1/models/rows/predict"],
                         check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in out:
        sys.exit(out)
    rate, requests = re.search(r"Requests/sec:\s+([\d.]+)", out)[1], re.search(r"(\d+) requests in", out)[1]
    return float(rate), int(requests), processor_seconds(process) - began


def ratio_of_pairs(first, second):
    """Mean ratio of the pairs, and 95 % of its draws with replacement."""
    logs = np.log(np.divide(first, second))
    drawn = np.random.default_rng(0).choice(logs, (2000, len(logs))).mean(axis=1)
    return np.exp([logs.mean(), *np.quantile(drawn, [0.025, 0.975])])


def live(binary, folder, turns):
    """Requests per second of two servers that run side by side and are asked in short turns, so that a processor that
    becomes slower or faster does so for both."""
    model = '[[model]]\nserve = "rows"\n'
    (folder / "on.toml").write_text(model + "[monitor]\nenabled = true\n")
    (folder / "off.toml").write_text(model + "[monitor]\nenabled = false\n")
    (folder / "ask.lua").write_text(WRK)
    servers = {name: serve(binary, folder, f"{name}.toml") for name in ("on", "off")}
    print(f"{'live monitoring':<24}{'on':>8}{'off':>10}  medians of {turns} turns of a second; processor time of a request")
    try:
        for clients in (1, 16):
            found = {"on": [], "off": []}
            for turn in range(turns):
                for name in ("on", "off") if turn % 2 else ("off", "on"):
                    found[name].append(ask(servers[name], folder / "ask.lua", clients))
            rates = {name: [rate for rate, _, _ in turns] for name, turns in found.items()}
            ratio, low, high = ratio_of_pairs(rates["on"], rates["off"])
            print(f"{clients:>2} clients, requests/s {statistics.median(rates['on']):8,.0f}"
                  f"{statistics.median(rates['off']):10,.0f}  on / off {ratio:.3f} ({low:.3f} to {high:.3f})")
            on, off = (1e6 * sum(turn[2] for turn in found[name]) / sum(turn[1] for turn in found[name])
                       for name in ("on", "off"))
            print(f"{'':<12}processor us{on:8.1f}{off:10.1f}  on / off {on / off:.3f}", flush=True)
        asked = subprocess.run(["curl", "-s", servers["on"][1] + "/v1/models/rows/monitor"], capture_output=True, text=True)
        print("GET /v1/models/rows/monitor:", len(asked.stdout), "bytes", list(json.loads(asked.stdout))[:8])
    finally:
        for process, _ in servers.values():
            process.send_signal(signal.SIGTERM)
            process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", nargs="?")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--peer")
    args = parser.parse_args()
    if args.peer:
        return peer(args.peer)
    binary = str(pathlib.Path(args.binary).resolve())
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write(folder / "train.csv", 1, REFERENCE_ROWS, False)
        train = [binary, "train", "--data", "train.csv", "--target", "y", "--set", "name=rows"]
        subprocess.run(train, cwd=folder, check=True, capture_output=True)
        live(binary, folder, args.turns)
        args.rows and reports(binary, folder, args.rows)


if __name__ == "__main__":
    main()
