"""Alerts of a server through a real Alertmanager, a signed webhook and a real Prometheus."""

import hashlib
import hmac
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

CUPOLA, WORK = sys.argv[1], sys.argv[2]
SECRET = "the key of a webhook"
RULES = """
[alerts]
every = "1s"
group_wait = "0.5s"
group_interval = "1s"
[[alert]]
name = "Loaded"
when = { kind = "metric", metric = "cupola_model_loaded", above = 0.5 }
[[alert]]
name = "Errors"
when = { kind = "errors", objective = 0.999 }
[[alert]]
name = "Slow"
model = "digits"
when = { kind = "latency", objective = 0.99, within_ms = 100 }
[[alert]]
name = "Drift"
for = "30m"
when = { kind = "drift", share = 0.5 }
[[alert]]
name = "Column"
model = "doors"
when = { kind = "drift", column = "pixel \\"1\\"" }
[[alert]]
name = "Age"
when = { kind = "age", longer_than = "30d" }
[[alert]]
name = "Idle"
when = { kind = "idle", longer_than = "1h" }
[[alert]]
name = "Accuracy"
when = { kind = "accuracy", below = 0.9 }
[[alert]]
name = "Off"
when = { kind = "mean_error", above = 2.5, window = "6h" }
[[alert]]
name = "Feedback"
when = { kind = "feedback", below = 0.1 }
"""
PROCESSES = []


def say(what, text):
    print(f"{what:<14} {text}", flush=True)


def start(*command, **more):
    log = open(os.path.join(WORK, f"{os.path.basename(command[0])}.log"), "w")
    process = subprocess.Popen(command, stdout=more.pop("stdout", log), stderr=log, **more)
    PROCESSES.append(process)
    return process


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def call(url, body=None, method=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.read().decode()


def until(what, condition, seconds=60):
    end = time.time() + seconds
    while True:
        try:
            value = condition()
            if value:
                return value
        except OSError:
            pass
        if time.time() > end:
            sys.exit(f"not within {seconds} s: {what}")
        time.sleep(0.2)


class Hook(http.server.BaseHTTPRequestHandler):
    """Receiver that fails twice, then checks signatures."""

    failures = 2
    accepted = []
    problems = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if Hook.failures:
            Hook.failures -= 1
            self.send_response(503)
        else:
            parts = dict(part.split("=", 1) for part in self.headers["x-cupola-signature"].split(","))
            expected = hmac.new(SECRET.encode(), parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
            if expected != parts["v1"] or abs(time.time() - int(parts["t"])) > 60:
                Hook.problems.append("a signature does not fit its body")
            Hook.accepted.append(json.loads(body))
            self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def check_exports(manager):
    """Rules of each kind, and the receivers of a config, as the real programs read them."""
    out = os.path.join(WORK, "own")
    subprocess.run([CUPOLA, "monitor", "export", "--config", f"{WORK}/serve.toml", "--out", out], check=True, stdout=subprocess.DEVNULL)
    for command in (["promtool", "check", "rules", f"{out}/cupola.rules.yml"], ["amtool", "check-config", f"{out}/alertmanager.yml"]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
    say("export", "rules of each kind and receivers of a config are valid for promtool and amtool")
    return out


def expressions(dashboard):
    """Queries of all panels with values in place of the variables."""
    for panel in json.load(open(dashboard))["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"].replace("$__rate_interval", "1m").replace("$model", "digits")


def check_prometheus(server, out):
    port = free_port()
    config = os.path.join(out, "run.yml")
    text = open(os.path.join(out, "prometheus.yml")).read()
    text = text.replace("localhost:8080", server.split("//")[1]).replace("scrape_interval: 15s", "scrape_interval: 1s")
    open(config, "w").write(re.sub(r"(?s)alerting:.*?(?=scrape_configs)", "", text))
    start("prometheus", f"--config.file={config}", f"--storage.tsdb.path={WORK}/tsdb", f"--web.listen-address=127.0.0.1:{port}")
    base = f"http://127.0.0.1:{port}/api/v1"

    def query(text):
        return json.loads(call(f"{base}/query?{urllib.parse.urlencode({'query': text})}"))["data"]["result"]

    until("Prometheus scrapes the server", lambda: any(one["value"][1] == "1" for one in query('up{job="cupola"}')))
    count = 0
    for expression in expressions(os.path.join(out, "cupola.dashboard.json")):
        query(expression)
        count += 1
    # A rate needs two scrapes.
    rate = 'histogram_quantile(0.5, rate(cupola_request_duration_seconds_bucket[1m]))'
    until("the metrics of the server are in Prometheus", lambda: query('cupola_model_loaded{model="digits"}') and query(rate))
    groups = json.loads(call(f"{base}/rules"))["data"]["groups"]
    bad = [rule["name"] for group in groups for rule in group["rules"] if rule.get("lastError")]
    if bad or not groups:
        sys.exit(f"rules that Prometheus cannot evaluate: {bad}")
    say("prometheus", f"scrapes the server and evaluates {count} queries of the dashboard and {sum(len(group['rules']) for group in groups)} rules")


def check_metrics(server):
    # promtool reads Prometheus' text format, in which the type of a counter has its full name.
    text = call(f"{server}/metrics")
    counters = re.findall(r"# TYPE (\S+) counter", text)
    for name in counters:
        text = re.sub(rf"# (TYPE|HELP|UNIT) {name} ", rf"# \1 {name}_total ", text)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    say("promtool", "finds nothing to object to in the metrics of the server")


def main():
    hook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    manager_port = free_port()
    manager = f"http://127.0.0.1:{manager_port}"
    start(
        "prometheus-alertmanager", f"--config.file={os.path.abspath('configs/monitoring/alertmanager.yml')}",
        f"--storage.path={WORK}/alertmanager", f"--web.listen-address=127.0.0.1:{manager_port}", "--cluster.listen-address=",
    )
    with open(f"{WORK}/serve.toml", "w") as file:
        file.write(RULES)
        file.write(f'[[notify]]\nkind = "alertmanager"\nurl = "{manager}"\n')
        file.write(f'[[notify]]\nkind = "webhook"\nurl = "http://127.0.0.1:{hook.server_port}/"\nsecret = "${{HOOK_SECRET}}"\n')
        file.write('[[notify]]\nkind = "slack"\nname = "down"\nurl = "http://127.0.0.1:9/"\n')
    out = check_exports(manager)
    port = free_port()
    server = f"http://127.0.0.1:{port}"
    command = [CUPOLA, "serve", "--model", "digits", "--config", f"{WORK}/serve.toml", "--port", str(port), "--device", "flex"]
    start(*command, env={**os.environ, "HOOK_SECRET": SECRET})
    until("the server is ready", lambda: call(f"{server}/health/ready"))
    example = json.loads(call(f"{server}/v1/models/digits"))["example"]
    for _ in range(20):
        call(f"{server}/v1/models/digits/predict", example)

    def in_manager():
        done = subprocess.run(
            ["amtool", "alert", "query", "alertname=Loaded", f"--alertmanager.url={manager}", "-o", "json"],
            capture_output=True, text=True,
        )
        return json.loads(done.stdout or "[]")

    alerts = until("Alertmanager has the alert", in_manager)
    assert alerts[0]["labels"]["model"] == "digits", alerts
    say("alertmanager", "has the alert that the server sent, as amtool shows")
    until("the webhook gets the message after two failures", lambda: Hook.accepted)
    if Hook.problems:
        sys.exit(Hook.problems[0])
    status = json.loads(call(f"{server}/v1/alerts"))
    down = next(one for one in status["receivers"] if one["name"] == "down")
    assert down["waiting"] and down["trouble"], down
    say("webhook", "is signed and sent again after failures, while another receiver is down")
    silence = {"matchers": [{"name": "alertname", "value": "Load*"}], "minutes": 5, "comment": "test"}
    made = json.loads(call(f"{server}/v1/alerts/silences", silence))
    status = json.loads(call(f"{server}/v1/alerts"))
    assert [one["silenced_by"] for one in status["alerts"] if one["labels"]["alertname"] == "Loaded"] == [made["id"]], status
    call(f"{server}/v1/alerts/silences?id={made['id']}", method="DELETE")
    say("silence", "covers an alert until it is ended")
    check_metrics(server)
    check_prometheus(server, out)


try:
    main()
finally:
    for process in PROCESSES:
        process.terminate()
    for process in PROCESSES:
        process.wait(10)
