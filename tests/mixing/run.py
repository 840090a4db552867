#!/usr/bin/python3
"""
No mix-ups: many users at once through a real daemon, every byte judged (mixing.h says how).

Starts the daemon with two workers, TLS and a Redis of its own, gives 40 users an API key, a JWT and an
opaque token each, starts the program, and meanwhile revokes, disables, enables and reloads. Ends with one
line of counts. Status 0: no mismatch, and as many exchanges as were asked for.

  tests/mixing/run.py [--exchanges 200000] [--seed N] [--seconds 1800] [--users 40]
"""
import argparse
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from conftest import BUILD, PATIENCE, Gateway  # noqa: E402

KEY, JWT, OPAQUE = range(3)
MARGIN_MS = 100 * (10 if PATIENCE > 1 else 1)


class Program:
    """The clients and the server; one line is said and answered at a time."""

    def __init__(self, port, ca, seed, exchanges, seconds, margin_ms):
        self.child = subprocess.Popen(
            [BUILD / "tests/mixing", "--port", str(port), "--ca", ca, "--seed", str(seed), "--exchanges", str(exchanges),
             "--seconds", str(seconds), "--margin-ms", str(margin_ms), "--cut-ms", str(1000 + margin_ms)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.lock = threading.Lock()
        self.counts = None
        self.server_port = int(self.read().split()[1])

    def read(self):
        line = self.child.stdout.readline()
        if line.startswith("done "):
            self.counts = dict(pair.split("=") for pair in line.split()[1:])
        return line

    def say(self, *words):
        """False: the run is over."""
        with self.lock:
            if self.counts is not None:
                return False
            try:
                self.child.stdin.write(" ".join(str(w) for w in words) + "\n")
                self.child.stdin.flush()
                answer = self.read()
            except BrokenPipeError:
                return False
        assert answer != "what?\n", words
        return answer == "ok\n"

    def start(self):
        self.child.stdin.write("start\n")
        self.child.stdin.flush()

    def stop(self):
        if self.child.poll() is None:
            self.child.kill()
        return self.child.wait()


class Changes:
    """Revokes, disables, enables, and says so to the program before and after."""

    def __init__(self, gw, users, margin_ms):
        self.gw = gw
        self.margin_s = margin_ms / 1000
        self.names = [f"user{i}" for i in range(users)]
        self.program = None
        self.shown = {}  # (user, kind): what revokes it
        self.done = {"revocations": 0, "disables": 0, "reloads": 0}
        self.lock = threading.Lock()

    def make(self, user, kind):
        """A new credential's text."""
        if kind == KEY:
            text, record = self.gw.api_key(self.names[user])
            self.shown[user, kind] = record["id"]
        else:
            text = self.gw.token(self.names[user], *(["--opaque"] if kind == OPAQUE else []))
            self.shown[user, kind] = text
        return text

    def count(self, what):
        with self.lock:
            self.done[what] += 1

    def revoke(self, user, kind, rng):
        self.program.say("changing", user, kind)
        if kind == KEY:
            self.gw.ctl("key", "revoke", self.shown[user, kind], "--yes")
        else:
            self.gw.ctl("token", "revoke", "--token-stdin", "--yes", input=self.shown[user, kind])
        self.program.say("dead", user, kind)
        self.count("revocations")
        time.sleep(rng.random() * (self.margin_s + 0.5))
        self.program.say("live", user, kind, self.make(user, kind))

    def disable(self, user, rng):
        for kind in KEY, JWT, OPAQUE:
            self.program.say("changing", user, kind)
        self.gw.ctl("user", "disable", self.names[user], "--yes")
        for kind in KEY, JWT, OPAQUE:
            self.program.say("dead", user, kind)
        self.count("disables")
        time.sleep(rng.random() * (self.margin_s + 0.5))
        self.program.say("changing", user, KEY)
        self.gw.ctl("user", "enable", self.names[user])
        self.program.say("live", user, KEY)  # the key counts again; the tokens ended for good
        for kind in JWT, OPAQUE:
            self.program.say("live", user, kind, self.make(user, kind))

    def one(self, user, rng):
        if rng.random() < 0.3:
            self.disable(user, rng)
        else:
            self.revoke(user, rng.choice((KEY, JWT, OPAQUE)), rng)


def configuration(port, turn=0):
    """Each reload brings another policy, and now and then other servers, so that pools are given up."""
    return (
        f"upstreams:\n  up: {{servers: ['http://127.0.0.1:{port}'], health: {{eject: 0s}}, keepalive: {16 + turn // 3 % 5}}}\n"
        f"routes:\n  - {{path: '/m/**', upstream: up}}\n  - {{path: '/w/**', upstream: up}}\n  - {{path: '/turn{turn}', upstream: up}}\n"
    )


def change_until(over, changes, seed, lane, lanes, failures):
    rng = random.Random(seed * 101 + lane)
    mine = range(lane, len(changes.names), lanes)
    try:
        while not over.is_set():
            changes.one(rng.choice(mine), rng)
    except Exception as e:  # also when the program is gone: the main thread tells
        if not over.is_set():
            failures.append(repr(e))


def reload_until(over, changes, seed):
    rng, turn = random.Random(seed), 0
    while not over.wait(0.2 + rng.random() * 0.8):
        turn += 1
        # Whole or not at all: the daemon reads the file when it likes.
        new = changes.gw.path.with_suffix(".new")
        new.write_text(changes.gw.base + configuration(changes.program.server_port, turn))
        new.rename(changes.gw.path)
        os.kill(changes.gw.process.pid, signal.SIGHUP)
        changes.count("reloads")


def play(folder, exchanges, seed, seconds=1800, users=40, lanes=3, margin_ms=MARGIN_MS):
    """Returns (status of the program, the line of counts, failures of the changes)."""
    gw = Gateway(folder, configuration(1)).start()
    program, over, failures, threads = None, threading.Event(), [], []
    try:
        program = Program(gw.port, gw.cert, seed, exchanges, seconds, margin_ms)
        gw.write(configuration(program.server_port))
        assert gw.reload()[0]
        changes = Changes(gw, users, margin_ms)
        changes.program = program
        for i, name in enumerate(changes.names):
            program.say("user", i, gw.user(name)["id"], name)
            for kind in KEY, JWT, OPAQUE:
                program.say("live", i, kind, changes.make(i, kind))
        program.start()
        began = time.monotonic()
        threads = [threading.Thread(target=change_until, args=(over, changes, seed, i, lanes, failures)) for i in range(lanes)]
        threads.append(threading.Thread(target=reload_until, args=(over, changes, seed)))
        for t in threads:
            t.start()
        try:
            status = program.child.wait(seconds + 120)
        except subprocess.TimeoutExpired:
            status = "it did not end"
        took = time.monotonic() - began
        over.set()
        for t in threads:
            t.join()
        with program.lock:
            while program.counts is None and program.read():
                pass
        done = {**(program.counts or {}), **changes.done}
        line = " ".join(f"{k}={v}" for k, v in done.items())
        return status, f"mixing: {line} seconds={took:.0f} seed={seed} mismatches={int(status == 1)}", failures
    finally:
        over.set()
        for t in threads:
            t.join()
        if program is not None:
            program.stop()
        gw.stop()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--exchanges", type=int, default=200000)
    p.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    p.add_argument("--seconds", type=int, default=1800)
    p.add_argument("--users", type=int, default=40)
    args = p.parse_args()
    print(f"seed {args.seed}", flush=True)
    folder = tempfile.mkdtemp(prefix="postern-mixing-")
    status, line, failures = play(folder, args.exchanges, args.seed, args.seconds, args.users)
    print(line)
    if status == 0:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"the daemon's logs are in {folder}", file=sys.stderr)
    for failure in failures:
        print("a change failed:", failure, file=sys.stderr)
    if status == 3:
        print("time ran out", file=sys.stderr)
    sys.exit(0 if status == 0 and not failures else 1)


if __name__ == "__main__":
    main()
