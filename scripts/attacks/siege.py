"""The siege: `scripts/siege` says what it promises and how to call it. Needs no packages but for --peer."""
import argparse
import json
import multiprocessing
import pathlib
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import attackers
import clients
import payloads
import report
import wire
from setup import Cupola, FastApi, cupola

CONTEXT = multiprocessing.get_context("fork")
# Memory of the server beyond what requests may take: models, engines, threads, buffers of connections.
BASE_MIB = 384
# Seconds that SIGTERM may take: the server's 30 s for what is in flight, and its clean-up.
ENDS_WITHIN = 35


class Group:
    """Processes that run until they are stopped, and their results."""

    def __init__(self):
        self.stop, self.results, self.processes = CONTEXT.Event(), CONTEXT.Queue(), []
        # Set before the server is killed: answers that arrive later are not judged.
        self.over = CONTEXT.Event()

    def add(self, function, *args):
        process = CONTEXT.Process(target=function, args=args, daemon=True)
        process.start()
        self.processes.append(process)

    def end(self):
        self.stop.set()
        found, end = [], time.time() + 75
        while len(found) < len(self.processes) and time.time() < end:
            try:
                found.append(self.results.get(timeout=1))
            except queue.Empty:
                if not any(process.is_alive() for process in self.processes):
                    break
        for process in self.processes:
            process.kill()
        return found


def calm(target, seconds):
    """Good clients alone: what the siege is compared with."""
    group = Group()
    group.add(clients.good, target, group)
    time.sleep(seconds)
    return group.end()[0][2]


def capacity(target, seconds):
    """Requests of 64 rows per second, with four clients that have no rate."""
    data, end, counts, tried = target.heavy(target.keys.get("shop")), time.time() + seconds, [], []

    def client():
        with wire.connect(target.where, 30) as s:
            reader, count = wire.Reader(s), 0
            while time.time() < end:
                s.sendall(data)
                status = reader.response()[0]
                tried.append(status)
                count += status == 200
            counts.append(count)

    threads = [threading.Thread(target=client) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    if not sum(counts):
        raise SystemExit(f"{target.name} answers no request of 64 rows: {set(tried)}")
    return sum(counts) / seconds


class Disk:
    """Home on a tmpfs of its own, which can be filled; a plain folder without root."""

    def __init__(self, work, mib=192):
        self.home = work / "home"
        self.home.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", self.home], capture_output=True)
        self.own = done.returncode == 0

    def fill(self):
        if not self.own:
            return
        with open(self.home / "ballast", "wb", buffering=0) as file:
            size = 1 << 20
            while size:
                try:
                    file.write(bytes(size))
                except OSError:
                    size //= 2

    def free(self):
        (self.home / "ballast").unlink(missing_ok=True)

    def end(self):
        if self.own:
            subprocess.run(["umount", "-l", self.home], capture_output=True)


def events(target, disk, seconds, group):
    """Time of the siege: alias moves and reloads all the time, a full disk in the middle, then no descriptors left."""
    began, moves, failed = time.time(), 0, []
    full = exhausted = False
    while (elapsed := time.time() - began) < seconds and target.process.poll() is None:
        share = elapsed / seconds
        if target.cupola:
            if 0.4 < share < 0.55 and not full:
                full = True
                disk.fill()
            elif share >= 0.55 and full is True:
                full = None
                disk.free()
            if not (full and disk.own):
                moves += 1
                try:
                    cupola(target.home, "models", "alias", "digits", "champion", 1 + moves % 2)
                    wire.post(target.admin, "/v2/repository/models/photos/load", {}, target.keys["admin"], 20)
                except (SystemExit, OSError, ValueError) as error:
                    failed.append(str(error)[:300])
                target.process.send_signal(signal.SIGHUP)
        if share > 0.7 and not exhausted:
            exhausted = True
            group.add(attackers.run, attackers.descriptors, target, group.stop, group.results)
        time.sleep(1.5)
    return moves, failed


def lost(target, acknowledged):
    """Acknowledged feedback and rows that are not in the home, and rows that `data pull` does not take over."""
    texts = [path.read_text(errors="replace") for path in (target.home / "feedback").glob("**/*") if path.is_file()]
    stored = set()
    for line in "\n".join(texts).splitlines():
        try:
            stored.add(json.loads(line)["request"])
        except (ValueError, KeyError, TypeError):
            pass
    pushed = b"\n".join(path.read_bytes() for path in (target.home / "data").glob("**/*") if path.is_file() and "blobs" not in path.parts)
    stored |= {name.decode() for name in re.findall(rb"row-\d+-\d-end", pushed)}
    gone = sorted(set(acknowledged) - stored)
    cupola(target.home, "data", "pull", "events")
    shown = json.loads(cupola(target.home, "data", "show", "events", "--json"))
    rows = 50 + sum(name.startswith("row") for name in acknowledged)
    if shown["dataset"]["rows"] < rows:
        gone.append(f"{shown['dataset']['rows']} rows in the dataset after `data pull`, {rows} acknowledged")
    return gone


def ends(target):
    """Seconds and exit code of SIGTERM while connections hold the server up."""
    target.run()
    stubborn = [wire.connect(target.where) for _ in range(20)]
    for i, s in enumerate(stubborn):
        s.sendall([b"", b"GET /health", wire.PREFACE, wire.request("POST", target.path, target.headers("mob"), b"{", length=99999)][i % 4])
    began = time.time()
    target.process.terminate()
    try:
        code = target.process.wait(ENDS_WITHIN + 10)
    except subprocess.TimeoutExpired:
        code = None
    [s.close() for s in stubborn]
    return time.time() - began, code


def besiege(target, disk, args):
    """The whole course for one server: promises `(text, kept, figure)`, what attackers counted, and figures."""
    seconds, bound = args.seconds, args.memory_mib + BASE_MIB
    target.run()
    calm(target, 2)
    before = calm(target, max(5, seconds / 20))
    target.capacity = capacity(target, max(2, seconds / 60))
    idle = wire.megabytes(target.process.pid)
    payloads.prepare(target.columns)
    kinds = attackers.ALWAYS + (attackers.CUPOLA if target.cupola else [])
    mob, friends = Group(), Group()
    friends.add(clients.watch, target, friends, bound)
    friends.add(clients.good, target, friends)
    for kind in kinds:
        if not args.only or kind.__name__ in args.only:
            mob.add(attackers.run, kind, target, mob.stop, mob.results)
    moves, failed = events(target, disk, seconds, mob)
    friends.over.set()
    time.sleep(1)
    died = target.process.poll()
    target.kill()  # with SIGKILL, while attackers and writers go on
    friendly = {kind: result for kind, _, result in friends.end()}
    attacks = {name: tally for _, name, tally in mob.end()}
    facts = {"capacity": target.capacity, "idle": idle, "bound": bound, "moves": moves, "failed": failed, "died": died,
             "seconds": seconds, "full": disk.own and target.cupola, "before": before["times"], "attacks": attacks}
    if target.cupola:
        disk.free()
        facts["lost"] = lost(target, friendly["good"]["acknowledged"])
        facts["ended"] = ends(target)
        target.kill()
    return report.judge(target, facts, friendly["good"], friendly["watch"])


def main():
    parser = argparse.ArgumentParser(description="Besieges a server; see the first lines of scripts/siege.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--quick", action="store_true", help="a minute in all")
    parser.add_argument("--port", type=int, default=18000, help="first of three ports")
    parser.add_argument("--memory-mib", type=int, default=512, help="memory for requests in flight")
    parser.add_argument("--only", type=lambda text: text.split(","), help="attacks to run, separated by commas")
    parser.add_argument("--json", type=pathlib.Path, help="file for the figures")
    parser.add_argument("--peer", action="store_true", help="besiege FastAPI too")
    args = parser.parse_args()
    args.seconds = 35 if args.quick else 60 * args.minutes
    known = [kind.__name__ for kind in attackers.ALWAYS + attackers.CUPOLA]
    if args.only and (unknown := set(args.only) - set(known)):
        parser.error(f"unknown attacks {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    work = pathlib.Path(tempfile.mkdtemp(prefix="siege-"))
    disk, targets, outcomes = Disk(work), [], []
    try:
        targets.append(Cupola(work, disk.home, args.port, args.memory_mib))
        outcomes.append(besiege(targets[0], disk, args))
        if args.peer:
            targets.append(FastApi(work, args.port + 2, targets[0]))
            outcomes.append(besiege(targets[1], disk, args))
    finally:
        for target in targets:
            target.kill()
        disk.end()
        shutil.rmtree(work, ignore_errors=True)
    report.show(outcomes)
    if args.json:
        args.json.write_text(json.dumps(outcomes, indent=1))
    sys.exit(0 if outcomes[0]["kept"] else 1)


if __name__ == "__main__":
    main()
