"""What is besieged: models, keys and a server of Cupola, or FastAPI with the same network. Needs no packages."""
import gzip
import json
import os
import pathlib
import resource
import signal
import struct
import subprocess
import sys
import time

import payloads
import wire

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "cupola"
CUPOLA = os.environ.get("CUPOLA", "cupola")
# Descriptors of the server; the attackers open more.
DESCRIPTORS = 512
DIGITS = """name = "digits"
seed = 7
[data]
source = "data/digits.csv.gz"
[[inputs]]
name = "pixels"
kind = "image"
columns = "pixel_*"
shape = [1, 8, 8]
[[targets]]
name = "digit"
kind = "category"
[model]
family = "layers"
layers = [{ type = "flatten" }, { type = "linear", out = 512 }, { type = "activation", function = "relu" },
  { type = "linear", out = 512 }, { type = "activation", function = "relu" }]
[train]
batch_size = 64
"""
PHOTOS = """name = "photos"
[data]
source = "photos"
[split]
by = "random"
[[inputs]]
name = "image"
kind = "image"
shape = [1, 8, 8]
[[targets]]
name = "class"
kind = "category"
[model]
family = "layers"
layers = [{ type = "flatten" }, { type = "linear", out = 16 }, { type = "activation", function = "relu" }]
[train]
epochs = 1
batch_size = 8
"""
# The language model of the tests, which read the same file.
TALK = (ROOT / "tests/openai/talk.toml").read_text()


def cupola(home, *args):
    done = subprocess.run([CUPOLA, "--home", home, *map(str, args)], capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"cupola {' '.join(map(str, args))}: {done.stdout}{done.stderr}")
    return done.stdout


def rows(n):
    lines = gzip.open(ROOT / "data/digits.csv.gz", "rt").read().splitlines()
    names = lines[0].split(",")[:64]
    return [dict(zip(names, map(float, line.split(",")[:64]))) for line in lines[1:n + 1]]


class Target:
    """A server under siege and the requests that it gets."""

    cupola, capacity, process, admin, keys = True, 0.0, None, None, {}

    def __init__(self, port):
        self.where, self.table = ("127.0.0.1", port), rows(64)
        self.columns = list(self.table[0])

    def headers(self, key):
        return {"x-api-key": self.keys[key]} if key in self.keys else {}

    def pin_clients(self):
        """Leaves half of the processors to the server."""
        self.pin(0, slice(os.cpu_count() // 2, None))

    @staticmethod
    def pin(pid, part):
        if os.cpu_count() > 1:
            os.sched_setaffinity(pid, list(range(os.cpu_count()))[part])

    def start(self, command, environment=None, limit=DESCRIPTORS):
        def prepare():
            self.pin(0, slice(0, os.cpu_count() // 2))
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        self.process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=open(self.log, "a"), cwd=ROOT,
                                        env={**os.environ, **(environment or {})}, preexec_fn=prepare, start_new_session=True)
        end = time.time() + 60
        while time.time() < end and self.process.poll() is None:
            try:
                if wire.get(self.where, self.ready, timeout=1)[0] == 200:
                    return
            except (OSError, ValueError):
                time.sleep(0.05)
        raise SystemExit(f"{command[:2]} did not start: {open(self.log).read()[-2000:]}")

    def kill(self):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Cupola(Target):
    """Cupola with keys, administration, feedback, pushed rows and a log of predictions."""

    name, path, ready, heavy_rows = "cupola", "/v1/models/digits/predict", "/health/ready", 64

    def __init__(self, work, home, port, memory):
        super().__init__(port)
        self.home, self.admin, self.memory, self.log = home, ("127.0.0.1", port + 1), memory, work / "cupola.log"
        self.train(work)
        add = lambda name, *scopes: json.loads(cupola(home, "keys", "add", "--json", "--name", name, *scopes))["key"]
        scope = lambda *names: [part for name in names for part in ("--scope", name)]
        self.keys = {"shop": add("shop", *scope("predict", "rows")), "mob": add("mob", *scope("predict")),
                     "crowd": add("crowd", *scope("predict"), "--rate", "20"), "admin": add("admin", *scope("admin", "metrics"))}
        self.config = work / "serve.toml"
        self.config.write_text('[log]\nshare = 0.1\n[[model]]\nserve = "digits@champion"\n[[model]]\nserve = "photos"\n[[model]]\nserve = "talk"\n')
        self.expected = {version: self.predicted(work, version) for version in (1, 2)}
        self.body = json.dumps({"rows": self.table[:16]}).encode()

    def train(self, work):
        (work / "photos").mkdir()
        for label in ("a", "b"):
            (work / "photos" / label).mkdir()
            for i in range(20):
                lines = [bytes((x * y * (i + 1) + 90 * (label == "b")) % 256 for x in range(8)) for y in range(8)]
                (work / "photos" / label / f"{i}.png").write_bytes(payloads.png(8, 8, lines))
        (work / "lines.csv").write_text("text\n" + "".join(f'"the cat sat on the mat{" " * i}"\n' for i in range(60)))
        for name, text in (("digits", DIGITS), ("photos", PHOTOS), ("talk", TALK)):
            (work / f"{name}.toml").write_text(text)
        train = lambda name, *more: cupola(self.home, "train", "--config", work / f"{name}.toml", "--device", "flex", *more)
        train("digits", "--set", "train.epochs=2")
        train("digits", "--set", "train.epochs=3")
        train("photos")
        train("talk")
        cupola(self.home, "models", "alias", "digits", "champion", 1)
        (work / "events.csv").write_text("id,value\n" + "".join(f"seed-{i},{i}\n" for i in range(50)))
        cupola(self.home, "data", "add", "events", work / "events.csv")

    def predicted(self, work, version):
        """Probabilities by `cupola predict`, which knows no server."""
        source, out = work / "rows.jsonl", work / f"predicted-{version}.jsonl"
        source.write_text("".join(json.dumps(row) + "\n" for row in self.table))
        cupola(self.home, "predict", "--model", f"digits:{version}", "--device", "flex", "--input", source, "--output", out)
        return [json.loads(line)["digit"]["probabilities"] for line in out.read_text().splitlines()]

    def run(self):
        options = subprocess.run([CUPOLA, "serve", "--help"], capture_output=True, text=True).stdout
        memory = ["--memory-mib", self.memory] if "--memory-mib" in options else []
        self.start([CUPOLA, "--home", self.home, "serve", "--config", self.config, "--device", "flex", "--port", self.where[1],
                    "--admin-port", self.admin[1], "--connections", 400, "--timeout", 10, "--kv-mib", 64, *memory])

    def heavy(self, key):
        values = [value for row in self.table for value in row.values()]
        raw = struct.pack(f"<{len(values)}f", *values)
        tensor = {"name": "pixels", "shape": [64, 1, 8, 8], "datatype": "FP32", "parameters": {"binary_data_size": len(raw)}}
        head = json.dumps({"inputs": [tensor], "outputs": [{"name": "digit_probabilities", "parameters": {"binary_data": True}}]}).encode()
        more = {"inference-header-content-length": len(head)} | ({"x-api-key": key} if key else {})
        return wire.request("POST", "/v2/models/digits/infer", more, head + raw)

    def is_right(self, body):
        answer = json.loads(body)
        expected = self.expected[answer["version"]]
        found = [prediction["digit"]["probabilities"] for prediction in answer["predictions"]]
        return len(found) == 16 and all(abs(p[k] - e[k]) < 1e-4 for p, e in zip(found, expected) for k in e)


class FastApi(Target):
    """FastAPI on uvicorn with the same network in onnxruntime, as scripts/bench-serve runs it."""

    cupola, name, path, ready, heavy_rows = False, "fastapi", "/predict", "/ready", 64

    def __init__(self, work, port, besieged):
        super().__init__(port)
        self.work, self.log = work, work / "fastapi.log"
        venv = CACHE / "siege"
        self.python = venv / "bin/python"
        if not (venv / "ok").exists():
            subprocess.run([sys.executable, "-m", "venv", venv], check=True)
            subprocess.run([venv / "bin/pip", "install", "-q", "fastapi", "uvicorn", "onnxruntime", "onnx", "numpy", "safetensors"], check=True)
            (venv / "ok").touch()
        subprocess.run([self.python, ROOT / "benches/peers/serve_models.py", besieged.home / "models/digits/1", work], check=True, stdout=subprocess.DEVNULL)
        self.expected = [list(p.values()) for p in besieged.expected[1]]
        self.body = self.json(16)

    def json(self, n):
        return json.dumps({"rows": [list(row.values()) for row in self.table[:n]]}).encode()

    def run(self):
        script = ROOT / "benches/peers/serve_peer.py"
        self.start([self.python, script, "fastapi", "digits", self.work, self.where[1]])

    def heavy(self, _key):
        return wire.request("POST", self.path, {"content-type": "application/json"}, self.json(64))

    def is_right(self, body):
        found = json.loads(body)["answers"]
        return len(found) == 16 and all(abs(p - e) < 1e-3 for ps, es in zip(found, self.expected) for p, e in zip(ps, es))
