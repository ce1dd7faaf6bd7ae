"""A new user's folder: commands as they are typed and printed, a server, and its answers."""
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request

# `valid   accuracy 0.98 (always `a`: 0.5)`: split, metric, value, and that of the trivial model.
SCORE = re.compile(r"^(valid|test) +(\w+) (-?[\d.,]+(?:e-?\d+)?)(?: \[[^]]*\])?(?: \((.*)\))?$", re.M)
LIMIT_S = 300


class Failed(Exception):
    """A command, an answer or a score is not as promised."""


def expect(true: object, message: str) -> None:
    if not true:
        raise Failed(message)


class Visit:
    """Runs commands in a folder in which nothing of Cupola exists yet."""

    def __init__(self, folder: pathlib.Path, cupola: pathlib.Path):
        self.folder = folder
        self.commands = 0
        self.server = None
        self.url = ""
        tools = folder.parent / "bin"
        tools.mkdir(exist_ok=True)
        if not (tools / "cupola").exists():
            (tools / "cupola").symlink_to(cupola)
        own = {name: value for name, value in os.environ.items() if name != "CUPOLA_HOME"}
        self.environment = {**own, "PATH": f"{tools}:{os.environ['PATH']}"}

    def shell(self, line: str) -> str:
        """Standard output of a line of the shell, which must succeed."""
        done = subprocess.run(["bash", "-o", "pipefail", "-c", line], cwd=self.folder, env=self.environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S)
        if done.returncode != 0:
            tail = (done.stdout + done.stderr)[-3000:]
            raise Failed(f"exit code {done.returncode} of `{line}`\n{tail}")
        return done.stdout

    def command(self, line: str) -> str:
        """A command of the way from raw files to a served answer, which counts."""
        self.commands += 1
        return self.shell(line)

    def serve(self, line: str) -> str:
        """Starts a printed or typed `cupola serve`, on a free port in place of 8080, and returns its output up to
        `ready`."""
        self.commands += 1
        with open(self.folder / "serve.log", "a") as log:
            self.server = subprocess.Popen(["bash", "-c", f"exec {line} --port 0"], cwd=self.folder, env=self.environment,
                                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        shown = []
        for out in self.server.stdout:
            shown.append(out)
            if out.startswith("next"):
                break
        else:
            raise Failed(f"`{line}` ended\n{''.join(shown)}{(self.folder / 'serve.log').read_text()[-2000:]}")
        # The server would block once nobody reads its output.
        threading.Thread(target=self.server.stdout.read, daemon=True).start()
        text = "".join(shown)
        self.url = re.search(r"^ready +(\S+)$", text, re.M).group(1)
        for next_line in printed(text, "next"):
            json.loads(self.shell(next_line))
        return text

    def stop(self) -> None:
        if self.server and self.server.poll() is None:
            self.server.terminate()
            self.server.wait(timeout=60)

    def ask(self, training: str) -> dict:
        """Answer to the request that a training has printed, sent to this server in place of `localhost:8080`."""
        host = self.url.removeprefix("http://")
        lines = training.splitlines()
        start = next((at for at, line in enumerate(lines) if line.startswith("ask  ")), None)
        expect(start is not None, f"the training has printed no request\n{training[-2000:]}")
        request = "\n".join(line[8:] for line in lines[start:])
        request = request.replace(" | sh", f" --server {host} | sh").replace("localhost:8080", host)
        return answer(self.shell(request))

    def same_in_every_form(self, model: str, asked: dict) -> None:
        """The request of `cupola models example` in Python and as CSV gets the predictions that curl got."""
        host = self.url.removeprefix("http://")
        python = self.shell(f"cupola models example {model} --python --server {host} | {sys.executable} -")
        shown = eval(python, {"__builtins__": {}}, {"nan": float("nan")})  # noqa: S307: what `print(dict)` wrote
        expect(shown["predictions"] == asked["predictions"], f"Python's request: {shown}\ncurl's request: {asked}")
        rows = self.shell(f"cupola models example {model} --csv").encode()
        lines = self.post(f"/v1/models/{asked['model']}/predict", rows, "text/csv").splitlines()
        answers = [json.loads(line) for line in lines]
        expect(answers == asked["predictions"], f"CSV: {answers}\ncurl: {asked}")

    def post(self, path: str, body: bytes, kind: str = "application/json") -> str:
        """Body of the response, whose status must be 200."""
        request = urllib.request.Request(self.url + path, body, {"content-type": kind})
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                expect(response.status == 200, f"status {response.status} of {path}")
                return response.read().decode()
        except urllib.error.HTTPError as error:
            raise Failed(f"status {error.code} of {path}: {error.read().decode()}") from error

    def predict(self, model: str, row: dict) -> dict:
        """Prediction of one row."""
        body = json.dumps({"rows": [row]}).encode()
        return answer(self.post(f"/v1/models/{model}/predict", body))["predictions"][0]


def answer(text: str) -> dict:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise Failed(f"the answer is not JSON: {text[:500]!r}") from error
    expect("error" not in found, f"the server answers {text[:1000]}")
    return found


def printed(text: str, word: str) -> list[str]:
    """Commands that the output proposes in lines that begin with `word`."""
    return [line[8:].strip() for line in text.splitlines() if line.startswith(word + "  ")]


def only(found: list[str], what: str) -> str:
    expect(len(found) == 1, f"expected one {what}, found {found}")
    return found[0]


def score(training: str, split: str = "test") -> tuple[str, float, str]:
    """Metric, value, and what a trivial model gets, of a split as the summary shows them."""
    found = [match for match in SCORE.finditer(training) if match.group(1) == split]
    expect(found, f"no score of the {split} split in\n{training[-2000:]}")
    metric, value, trivial = found[0].group(2), float(found[0].group(3).replace(",", "")), found[0].group(4) or ""
    expect("no better" not in trivial, f"{found[0].group(0)}")
    return metric, value, trivial
