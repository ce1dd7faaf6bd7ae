"""Attackers of a server. Each runs in a process of its own until `stop` is set and tallies what came back."""
import random
import struct
import time
from collections import Counter

import payloads
import wire

REFUSED = (ConnectionError, OSError, ValueError, IndexError)


def paced(stop, per_second):
    """Yields at most so often, without catching up on what was missed."""
    while not stop.is_set():
        began = time.monotonic()
        yield
        stop.wait(max(0.0, 1 / per_second - (time.monotonic() - began)))


def flood(target, stop, tally, data, per_second, burst=32, most=64):
    """Keeps the rate with pipelined requests, on further connections while the server takes nothing more from those that
    there are; reads what arrives and counts its status lines."""
    lines, rest = [], {}
    for turn, _ in enumerate(paced(stop, per_second / burst)):
        try:
            if not lines or len(lines) < most and all(rest.get(s) for s in lines):
                lines.append(wire.connect(target.where, 5))
                lines[-1].setblocking(False)
        except REFUSED:
            tally["refused connections"] += 1
        wanted = data() if callable(data) else data * burst
        for s in [*lines[turn % max(1, len(lines)):], *lines[:turn % max(1, len(lines))]]:
            try:
                left = rest.get(s) or wanted
                if not rest.get(s):
                    wanted = None
                    tally["sent"] += burst
                try:
                    rest[s] = left[s.send(left):]
                except BlockingIOError:
                    rest[s] = left
                try:
                    while got := s.recv(1 << 18):
                        for line in got.split(b"HTTP/1.1 ")[1:]:
                            tally[line[:3].decode("latin-1")] += 1
                    raise ConnectionError
                except BlockingIOError:
                    pass
            except REFUSED:
                tally["closed"] += 1
                lines.remove(s)
                rest.pop(s, None)
                s.close()
            if wanted is None:
                break


def crowd(target, stop, tally):
    """Valid requests of a key with a rate, at ten times the capacity of the server."""
    flood(target, stop, tally, target.heavy(target.keys.get("crowd")), 10 * target.capacity, burst=8)


def key_flood(target, stop, tally):
    """Requests with invented keys, and paths that try to fill the audit log."""
    rng = random.Random(1)

    def burst():
        path = target.path + "?" + "x" * rng.choice([1, 10, 4000])
        invented = f"cpl_{rng.getrandbits(48):012x}_{rng.getrandbits(256):064x}"
        keys = [{"x-api-key": invented}, {"authorization": f"Bearer {invented}"}, {"authorization": "Bearer eyJhbGciOiJub25lIn0.e30."}, {}]
        return b"".join(wire.request("POST", path, rng.choice(keys), b"{}") for _ in range(32))

    flood(target, stop, tally, burst, min(10 * target.capacity, 3000))


def hold(target, stop, tally, count, opening, drip=None, buffer=None):
    """Keeps `count` connections open after `opening`, and sends each a byte of `drip` now and then."""
    held = []
    for _ in paced(stop, 4):
        for s in list(held):
            try:
                s.setblocking(False)
                if drip is not None:
                    s.send(drip)
                if buffer is None and s.recv(1 << 16) == b"":
                    raise ConnectionError
            except BlockingIOError:
                pass
            except OSError:
                tally["dropped by the server"] += 1
                held.remove(s)
                s.close()
        for _ in range(min(count - len(held), 16)):
            try:
                s = wire.connect(target.where, 2, buffer)
                held.append(s)
                s.sendall(opening() if callable(opening) else opening)
                tally["sent"] += 1
            except OSError:
                tally["closed"] += 1
                break
        tally["most held"] = max(tally["most held"], len(held))
    for s in held:
        s.close()


def silent(target, stop, tally):
    """Connections without a byte."""
    hold(target, stop, tally, 150, b"")


def half_heads(target, stop, tally):
    """Heads that never end, a byte at a time, and half a preface of HTTP/2."""
    parts = [b"POST /v1/models/digits/predict HTTP/1.1\r\nhost: localhost\r\nx-a: ", wire.PREFACE[:11], b"G", wire.PREFACE]
    hold(target, stop, tally, 60, lambda: random.choice(parts), drip=b"a")


def slow_bodies(target, stop, tally):
    """Bodies that arrive a byte at a time."""
    headers = target.headers("mob") | {"content-type": "application/json"}
    hold(target, stop, tally, 40, wire.request("POST", target.path, headers, b'{"rows": [', length=5_000_000), drip=b" ")


def slow_readers(target, stop, tally):
    """Requests whose answers nobody reads, pipelined so that no buffer takes them all."""
    hold(target, stop, tally, 20, target.heavy(target.keys.get("mob")) * 40, buffer=4096)


def bombs(target, stop, tally, path, bodies, per_second, headers=None):
    """Sends bodies one after another with a key that has no rate."""
    turn = 0
    for _ in paced(stop, per_second):
        kind, body = bodies[turn % len(bodies)]
        turn += 1
        began = time.monotonic()
        try:
            head = target.headers("mob") | {"content-type": kind} | (headers or {})
            status = wire.once(target.where, wire.request("POST", path, head, body), 60)[0]
            tally[str(status)] += 1
        except REFUSED as error:
            tally["closed" if not isinstance(error, TimeoutError) else "silence for 60 s"] += 1
        tally["sent"] += 1
        tally["slowest answer, s"] = max(tally["slowest answer, s"], round(time.monotonic() - began, 1))


def json_bodies(bodies):
    return [("application/json", body) for body in bodies]


def pictures(target, stop, tally):
    """Small pictures that claim to be large."""
    bombs(target, stop, tally, "/v1/models/photos/predict", json_bodies(payloads.picture_bombs()), 10)


def arrows(target, stop, tally):
    """Arrow streams of millions of null rows."""
    bodies = [("application/vnd.apache.arrow.stream", body) for body in payloads.arrow_bombs(tuple(target.columns))]
    bombs(target, stop, tally, target.path, bodies, 10)


def schemas(target, stop, tally):
    """JSON schemas that are large to compile, and a prompt of seven megabytes."""
    bombs(target, stop, tally, "/v1/completions", json_bodies(payloads.schema_bombs()), 2)


def gzips(target, stop, tally):
    """Bodies that decompress to a gigabyte."""
    bombs(target, stop, tally, target.path, json_bodies(payloads.gzip_bombs()), 10, {"content-encoding": "gzip"})


def wide(target, stop, tally):
    """Rows that cost more to answer than to send."""
    bombs(target, stop, tally, "/v1/models/talk/predict" if target.cupola else target.path, payloads.wide_bodies(), 4)


def oversized(target, stop, tally):
    """Bodies beyond the limit: claimed, and sent in chunks without an end."""
    head = target.headers("mob") | {"content-type": "application/json"}
    claimed = wire.request("POST", target.path, head, b"{", length=1 << 40)
    lines = [f"POST {target.path} HTTP/1.1", "host: localhost", *(f"{k}: {v}" for k, v in head.items()), "transfer-encoding: chunked"]
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    for turn, _ in enumerate(paced(stop, 3)):
        try:
            with wire.connect(target.where, 10) as s:
                tally["sent"] += 1
                if turn % 2:
                    s.sendall(claimed)
                else:
                    s.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
                    for _ in range(600):
                        s.sendall(chunk)
                tally[str(wire.Reader(s).response()[0])] += 1
        except REFUSED:
            tally["closed"] += 1


def http2(target, stop, tally):
    """Floods of HTTP/2: streams that are reset at once, pings, settings, a head without an end, answers without a window."""
    key = target.keys.get("mob")
    more = {"x-api-key": key} if key else {}
    get = wire.get_block("/v1/models", **more)
    settings = wire.frame(4, 0, 0)
    shut = wire.frame(4, 0, 0, struct.pack(">HI", 4, 0))
    floods = [
        lambda n: wire.frame(1, 5, n, get) + wire.frame(3, 0, n, struct.pack(">I", 8)),
        lambda n: wire.frame(6, 0, 0, bytes(8)),
        lambda n: settings,
        lambda n: wire.frame(1, 0, 1, get) if n == 1 else wire.frame(9, 0, 1, wire.fields(("x-a", "b" * 100))),
        lambda n: wire.frame(1, 5, n, get),
        lambda n: wire.frame(8, 0, 0, struct.pack(">I", 1)),
    ]
    for turn, _ in enumerate(paced(stop, 6)):
        make = floods[turn % len(floods)]
        try:
            with wire.connect(target.where, 5) as s:
                s.sendall(wire.PREFACE + (shut if turn % len(floods) == 4 else settings))
                for first in range(0, 2000, 100):
                    s.sendall(b"".join(make(2 * n + 1) for n in range(first, first + 100)))
                    tally["sent"] += 100
        except OSError:
            tally["closed"] += 1


def grpc(target, stop, tally):
    """gRPC messages without a key that claim gigabytes and go on until the window is used up."""
    block = wire.fields((":method", "POST"), (":scheme", "http"), (":path", "/inference.GRPCInferenceService/ModelInfer"),
                        (":authority", "localhost"), ("content-type", "application/grpc"), ("te", "trailers"))
    held = []
    for _ in paced(stop, 3):
        try:
            s = wire.connect(target.where, 5)
            held.append(s)
            s.sendall(wire.PREFACE + wire.frame(4, 0, 0))
            for stream in range(1, 101, 2):
                s.sendall(wire.frame(1, 4, stream, block) + wire.frame(0, 0, stream, b"\0\xff\xff\xff\xff" + bytes(16000)))
                tally["sent"] += 1
        except OSError:
            tally["closed"] += 1
        while len(held) > 10:
            held.pop(0).close()


def descriptors(target, stop, tally):
    """More connections than the server has descriptors."""
    hold(target, stop, tally, 700, b"G")


ALWAYS = [crowd, key_flood, silent, half_heads, slow_bodies, slow_readers, gzips, wide, oversized, http2]
CUPOLA = [pictures, arrows, schemas, grpc]


def run(attack, target, stop, results):
    """Body of an attacker's process."""
    wire.low_priority()
    target.pin_clients()
    tally = Counter()
    try:
        attack(target, stop, tally)
    except KeyboardInterrupt:
        pass
    except Exception as error:  # an attacker that fails would make the siege easier without anybody noticing
        tally[f"FAILED: {error!r}"] += 1
    results.put(("attack", attack.__name__, dict(tally)))
