"""Requests at a steady rate over kept connections, whether answers come or not."""
import asyncio
import json
import time


class Answer:
    """Status, JSON and name of the replica; `status` is 0 for a request without an answer."""

    def __init__(self, status, body=None, replica="", seconds=0.0, why=""):
        self.status, self.body, self.replica, self.seconds, self.why = status, body or {}, replica, seconds, why
        self.at = time.time()


class Pool:
    """Connections to one address that are used again."""

    def __init__(self, port, patience=40):
        self.port, self.patience, self.idle = port, patience, []

    async def _exchange(self, reader, writer, data):
        writer.write(data)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[0].split()[1]), headers, body

    async def post(self, path, body, headers):
        began = time.perf_counter()
        data = json.dumps(body).encode()
        head = {"host": "localhost", "content-type": "application/json", "content-length": len(data)} | headers
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        request = f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + data
        writer = None
        try:
            if self.idle:
                reader, writer = self.idle.pop()
            else:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            status, got, text = await asyncio.wait_for(self._exchange(reader, writer, request), self.patience)
        except (OSError, ValueError, IndexError, asyncio.IncompleteReadError, asyncio.TimeoutError) as error:
            if writer:
                writer.close()
            return Answer(0, seconds=time.perf_counter() - began, why=repr(error))
        if got.get("connection") == "close":
            writer.close()
        else:
            self.idle.append((reader, writer))
        parsed = json.loads(text) if text else {}
        return Answer(status, parsed, got.get("x-replica", ""), time.perf_counter() - began, text[:120].decode())

    def close(self):
        for _, writer in self.idle:
            writer.close()


async def steady(port, path, body, rate, during, headers=lambda number: {}):
    """Sends `rate` requests per second until the coroutine `during` returns; returns all answers."""
    pool, tasks, began = Pool(port), [], time.perf_counter()
    work = asyncio.ensure_future(during)
    while not work.done():
        number = len(tasks)
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        tasks.append(asyncio.ensure_future(pool.post(path, body, headers(number))))
    answers = await asyncio.gather(*tasks)
    pool.close()
    await work
    return answers


def quantile(answers, share):
    """Milliseconds within which a share of the answers came."""
    times = sorted(answer.seconds for answer in answers if answer.status)
    return 1000 * times[min(len(times) - 1, int(share * len(times)))] if times else float("nan")
