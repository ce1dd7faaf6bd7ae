"""Good clients, and a watch on health, administration and memory. Each runs in a process of its own."""
import json
import threading
import time

import wire


class Client:
    """A client that keeps its connection and opens another when it was closed."""

    def __init__(self, target, key, where=None, patience=30):
        self.where, self.patience, self.reader = where or target.where, patience, None
        self.headers = target.headers(key) | {"content-type": "application/json"}

    def send(self, method, path, body=b""):
        """Status, headers and body; a reused connection that the server closed is opened again once."""
        data, reused = wire.request(method, path, self.headers, body), self.reader is not None
        try:
            if not reused:
                self.reader = wire.Reader(wire.connect(self.where, self.patience))
            self.reader.s.sendall(data)
            answer = self.reader.response()
        except (OSError, ValueError, IndexError):
            self.close()
            if reused:
                return self.send(method, path, body)
            raise
        if answer[1].get("connection", "").lower() == "close":
            self.close()
        return answer

    def close(self):
        if self.reader:
            self.reader.s.close()
        self.reader = None


def predicting(target, group, out, per_second):
    """Sends rows and compares every answer."""
    client = Client(target, "shop")
    while not (group.stop.is_set() or group.over.is_set()):
        began = time.perf_counter()
        try:
            status, headers, body = client.send("POST", target.path, target.body)
            took = time.perf_counter() - began
            if group.over.is_set():
                return
            if status == 200:
                out["times"].append(took)
                if not target.is_right(body):
                    out["wrong"].append(body[:300].decode("utf-8", "replace"))
            elif status in (429, 503) and "retry-after" in headers:
                out["refused"] += 1
            else:
                out["other"].append(f"{status} {body[:200]!r}")
        except (OSError, ValueError, IndexError) as error:
            if group.over.is_set():
                return
            out["unanswered"].append(f"{error!r} after {time.perf_counter() - began:.1f} s")
            client.close()
        group.stop.wait(max(0.0, 1 / per_second - (time.perf_counter() - began)))


def writing(target, stop, out, kind):
    """Sends feedback or rows, and records the ids of those that were acknowledged."""
    client = Client(target, "shop")
    turn = 0
    while not stop.is_set():
        turn += 1
        ids = [f"{kind}-{turn}-{i}-end" for i in range(3)]
        if kind == "feedback":
            path, items = "/v1/models/digits/feedback", [{"request_id": name, "digit": "1"} for name in ids]
        else:
            path, items = "/v1/datasets/events/rows", [{"id": name, "value": turn} for name in ids]
        try:
            status, _, body = client.send("POST", path, json.dumps({"rows": items}).encode())
            out[f"{kind} {status}"] = out.get(f"{kind} {status}", 0) + 1
            if status == 200:
                out["acknowledged"] += ids
            else:
                out[f"{kind} {status} says"] = body[:200].decode("utf-8", "replace")
        except (OSError, ValueError, IndexError):
            client.close()
            out[f"{kind} unanswered"] = out.get(f"{kind} unanswered", 0) + 1
        stop.wait(0.1)


def good(target, group):
    """All good clients, a thread each."""
    target.pin_clients()
    out = {"times": [], "wrong": [], "refused": 0, "other": [], "unanswered": [], "acknowledged": []}
    threads = [threading.Thread(target=predicting, args=(target, group, out, 10)) for _ in range(4)]
    if target.cupola:
        threads += [threading.Thread(target=writing, args=(target, group.stop, out, kind)) for kind in ("feedback", "row")]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    group.results.put(("good", target.name, out))


def watch(target, group, bound):
    """Asks for health and administration twice a second, measures memory, and kills a server far beyond its bound."""
    target.pin_clients()
    out = {"health": [], "admin": [], "memory": [], "silent": [], "killed": False}
    kept = Client(target, "admin", patience=5)
    asked = [("health", kept, target.ready)]
    if target.cupola:
        fresh = lambda: Client(target, "admin", target.admin, 5)
        asked += [("health", None, "/health/live"), ("admin", None, "/metrics"), ("admin", None, "/v2/repository/index")]
    while not (group.stop.is_set() or group.over.is_set()):
        for kind, client, path in asked:
            client, one = client or fresh(), client is None
            began = time.perf_counter()
            try:
                status, _, body = client.send(*(("POST", path, b"{}") if path.startswith("/v2") else ("GET", path)))
                if status != 200:
                    out["silent"].append(f"{path}: {status} {body[:100]!r}")
            except (OSError, ValueError, IndexError) as error:
                out["silent"].append(f"{path}: {error!r}")
                client.close()
            out[kind].append(time.perf_counter() - began)
            if one:
                client.close()
        out["memory"].append(wire.megabytes(target.process.pid))
        if out["memory"][-1] > 2 * bound:
            out["killed"] = True
            target.process.kill()
        group.stop.wait(0.5)
    group.results.put(("watch", target.name, out))
