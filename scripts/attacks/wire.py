"""HTTP on plain sockets, so that attackers may break its rules. Needs no packages."""
import json
import os
import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def connect(where, timeout=10, buffer=None):
    s = socket.socket()
    if buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    s.settimeout(timeout)
    try:
        s.connect(where)
    except BaseException:
        s.close()
        raise
    return s


def request(method, path, headers, body=b"", length=None):
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", *(f"{k}: {v}" for k, v in headers.items())]
    lines.append(f"content-length: {len(body) if length is None else length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Reader:
    """Responses of a connection, one after another."""

    def __init__(self, s):
        self.s, self.data = s, b""

    def more(self):
        got = self.s.recv(1 << 18)
        if not got:
            raise ConnectionError("closed")
        self.data += got

    def until(self, mark):
        while mark not in self.data:
            self.more()
        part, _, self.data = self.data.partition(mark)
        return part

    def take(self, n):
        while len(self.data) < n:
            self.more()
        part, self.data = self.data[:n], self.data[n:]
        return part

    def response(self):
        """Status, headers and body of the next response."""
        head = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = dict((k.lower(), v.strip()) for k, _, v in (line.partition(":") for line in head[1:]))
        status = int(head[0].split()[1])
        if status == 100:
            return self.response()
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.until(b"\r\n").split(b";")[0], 16):
                body += self.take(size)
                self.take(2)
            self.take(2)
            return status, headers, body
        return status, headers, self.take(int(headers.get("content-length", 0)))


def once(where, data, timeout=10):
    """Sends one request on a connection of its own and reads the response."""
    with connect(where, timeout) as s:
        s.sendall(data)
        return Reader(s).response()


def get(where, path, key=None, timeout=10):
    return once(where, request("GET", path, {"x-api-key": key} if key else {}), timeout)


def post(where, path, body, key=None, timeout=10, kind="application/json"):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": kind} | ({"x-api-key": key} if key else {})
    return once(where, request("POST", path, headers, data), timeout)


def frame(kind, flags, stream, payload=b""):
    """HTTP/2 frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def fields(*pairs):
    """HPACK block of literal fields, none of them indexed or compressed."""
    text = lambda s: bytes([len(s)]) + s.encode()
    return b"".join(b"\0" + text(name) + text(value) for name, value in pairs)


def get_block(path, method="GET", **more):
    return fields((":method", method), (":scheme", "http"), (":path", path), (":authority", "localhost"), *more.items())


def megabytes(pid):
    """Resident memory of a process and its children."""
    total = 0
    for entry in [pid, *children(pid)]:
        try:
            with open(f"/proc/{entry}/status") as lines:
                total += next((int(line.split()[1]) for line in lines if line.startswith("VmRSS")), 0)
        except OSError:
            pass
    return total / 1024


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def low_priority():
    os.nice(19)
