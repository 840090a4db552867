#!/usr/bin/python3
"""Any size, any number: what the daemon's memory does while bodies, connections and bad credentials pile up.

    tests/load/sizes.py [--small] [--only transfers,uploads,idle,slow,credentials]

Each check prints one line with its figures and ends with "pass" or "FAIL"; one FAIL and the runner ends with 1.
The ends of the load are tests/load/parties.c, in processes of their own; every body is compared byte by byte.
--small runs the same checks with the figures of tests/e2e/test_sizes.py.
"""
import argparse
import base64
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/e2e"))
os.environ.setdefault("POSTERN_BUILD", str(TOP / "build/release"))
from conftest import PATIENCE, Gateway, free_port, wait_until  # noqa: E402

MIB = 1 << 20
SECRET = "tests-only-secret-of-thirty-two-bytes!"


@dataclasses.dataclass(frozen=True)
class Size:
    transfer: int = 5 << 30          # bytes, each way
    growth: float = 4                # MiB that a transfer or a flood may add
    uploads: int = 100               # at once
    upload: int = 256 * MIB          # bytes of each
    slow_kib: int = 16 * 1024        # KiB a second that the slow upstream takes of each, after 2 s of nothing
    uploads_rss: float = 200         # MiB, all of the daemon
    idle: int = 9000                 # connections
    slow: int = 200                  # connections of each kind
    bound: float = 3                 # seconds; each deadline of the configuration, the whole request has three times that
    credentials: int = 1_000_000     # distinct ones of each kind
    warm: int = 60_000               # distinct ones before the counting


FULL = Size()
SMALL = Size(transfer=256 * MIB, growth=2, uploads=20, upload=16 * MIB, slow_kib=16 * 1024, uploads_rss=48, idle=500, slow=40,
             bound=1, credentials=100_000, warm=30_000)
# KiB a connection: what was measured, and half of that again.
IDLE_KIB = {"plain": 2, "tls": 22}
# KiB a stalled reader: the high mark of its stream, the piece that went over it, and what the kernel gave back.
SLOW_KIB = 448


# ------- the parties -------

def build(folder):
    out = pathlib.Path(folder) / "parties"
    subprocess.run(["cc", "-O2", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wno-deprecated-declarations", "-o", out,
                    TOP / "tests/load/parties.c", "-lssl", "-lcrypto", "-lpthread"], check=True)
    return out


class Parties:
    """The compiled helper, with its upstream running."""

    def __init__(self, folder):
        self.program = build(folder)
        self.upstream = subprocess.Popen([self.program, "upstream"], stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self.upstream.stdout.readline())}"

    def start(self, *args):
        return subprocess.Popen([self.program, *[str(a) for a in args]], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)

    def run(self, *args, seconds=300):
        done = subprocess.run([self.program, *[str(a) for a in args]], capture_output=True, text=True,
                              timeout=seconds * PATIENCE)
        if done.returncode != 0:
            raise AssertionError(f"{args[0]}: {done.stderr[-500:]}")
        self.complaints = "; ".join(sorted(set(done.stderr.splitlines())))
        return done.stdout.strip()

    def close(self):
        self.upstream.kill()
        self.upstream.wait()
        self.upstream.stdout.close()


# ------- the daemon and its memory -------

def rss_mib(pid):
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / MIB


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Peak:
    """The most that a process held while the block ran, by looking every 20 ms."""

    def __init__(self, pid):
        self.pid, self.most, self.is_over = pid, rss_mib(pid), threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def _look(self):
        while not self.is_over.wait(0.02):
            self.most = max(self.most, rss_mib(self.pid))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *failure):
        self.is_over.set()
        self.thread.join()
        with contextlib.suppress(OSError):
            self.most = max(self.most, rss_mib(self.pid))


@contextlib.contextmanager
def gateway(conf, tls_port=0, **kwargs):
    """A daemon for one check; with tls_port, TLS is there beside what is asked for."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-sizes-"))
    gw = Gateway(folder, conf, **kwargs)
    # A million lines are the disk's business, not this one's.
    gw.base = gw.base.replace(f"{folder}/access.log", "off").replace(f"{folder}/audit.log", "/dev/null")
    if tls_port:
        more = f"  - address: 127.0.0.1:{tls_port}\n    tls: {{certificate: {gw.cert}, key: {gw.key}}}\n"
        gw.base = gw.base.replace("admin:", more + "admin:")
    gw.write(conf)
    try:
        gw.start()
        yield gw
        gw.stop()
    finally:
        if gw.process is not None and gw.process.is_running():
            gw.process.child.kill()
            gw.process.child.wait()
        shutil.rmtree(folder, ignore_errors=True)


def conf_of(parties, auth="public", upstream=""):
    return (f"upstreams:\n  up: {{servers: ['{parties.url}']{upstream}}}\n"
            f"routes:\n  - {{path: '/**', auth: {auth}, upstream: up}}\n")


# ------- the checks: each yields (what, figures, is it within its bound) -------

def transfers(size, parties):
    """One body through TLS, down and up: the daemon grows by no more than its buffers."""
    with gateway(conf_of(parties)) as gw:
        pid = gw.process.pid
        for way in ("down", "up"):
            def move(count):
                if way == "down":
                    return int(parties.run("down", gw.port, "tls", count)) == count
                return parties.run("up", gw.port, "tls", count, 1, "/up") == "1"

            for _ in range(4):  # both workers have had one
                assert move(8 * MIB), "the warming up"
            before, began = rss_mib(pid), time.monotonic()
            with Peak(pid) as peak:
                is_whole = move(size.transfer)
            took, grew = time.monotonic() - began, peak.most - before
            yield (f"{way} {size.transfer / (1 << 30):g} GiB over TLS",
                   f"{'whole' if is_whole else 'NOT WHOLE'}, {took:.1f} s, {size.transfer / took / 1e6:.0f} MB/s, "
                   f"RSS {before:.1f} MiB and at most {grew:.2f} more (bound {size.growth})",
                   is_whole and grew <= size.growth)


def uploads(size, parties):
    """Many uploads over TLS to an upstream that reads nothing at first and then slowly."""
    with gateway(conf_of(parties, upstream=", timeouts: {connect: 30s}")) as gw:
        began = time.monotonic()
        with Peak(gw.process.pid) as peak:
            taken = int(parties.run("up", gw.port, "tls", size.upload, size.uploads, f"/slow/{size.slow_kib}"))
        took = time.monotonic() - began
        yield (f"{size.uploads} uploads of {size.upload // MIB} MiB at once, slow upstream",
               f"{taken} whole{parties.complaints and f' ({parties.complaints})'}, {took:.1f} s, RSS at most {peak.most:.1f} MiB (bound {size.uploads_rss})",
               taken == size.uploads and peak.most <= size.uploads_rss)


def idle(size, parties):
    """Connections between two requests; at the end each must still be good for one more."""
    for kind in ("plain", "tls"):
        with gateway(conf_of(parties), tls=kind == "tls", server="  keepalive_timeout: 10m\n") as gw:
            pid = gw.process.pid
            parties.run("idle", gw.port, kind, 100)  # arenas of the allocator, upstream connections
            wait_until(lambda: descriptors(pid) < 120, 10, "the closing")
            before = rss_mib(pid)
            client = parties.start("idle", gw.port, kind, size.idle)
            try:
                held = client.stdout.readline().strip()
                time.sleep(1)
                each = (rss_mib(pid) - before) * 1024 / size.idle
                again = client.communicate(timeout=120 * PATIENCE)[0].strip()
            finally:
                client.kill()
                client.wait()
            is_good = held == f"held {size.idle}" and again == f"again {size.idle}"
            yield (f"{size.idle} idle connections, {kind}",
                   f"{held}, {again}, {each:.2f} KiB resident each (bound {IDLE_KIB[kind]})",
                   is_good and each <= IDLE_KIB[kind])


# What a slow client sends at first, what it goes on sending or taking, and how many bounds it may last.
HEAD = b"GET /x HTTP/1.1\r\nHost: localhost\r\n"
BODY = b"POST /any HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n0123456789"
READ = b"GET /down/1073741824 HTTP/1.1\r\nHost: localhost\r\n\r\n"
SLOW = [
    # what, over TLS, first bytes, drip, bounds
    ("silent handshakes", True, b"", None, 1),
    ("dripped handshakes", True, b"\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03", "write", 1),
    ("silent connections", False, b"", None, 1),
    ("stalled heads", False, HEAD, None, 1),
    ("dripped heads", False, HEAD + b"X-Slow: ", "write", 1),
    ("stalled bodies", False, BODY, None, 1),
    ("dripped bodies", False, BODY, "write", 3),
    ("readers that take nothing", False, READ, None, 1),
    ("readers that drip", False, READ, "read", 3),
    ("idle connections", False, HEAD + b"\r\n", None, 1),
]
DRIP_S = 0.1
# So long an answered and closed connection waits for a client that may still be sending.
LINGER_S = 2


def drip(sockets, how):
    for s in sockets:
        with contextlib.suppress(OSError):
            if how == "write":
                s.send(b"1")
            elif how == "read":
                s.recv(1 << 18)


def last(gw, sockets, how, base, began, seconds):
    """Seconds until the daemon, which has taken them, has let go of them; None: it has not."""
    wait_until(lambda: descriptors(gw.process.pid) > base, 5, "the accepting")
    while time.monotonic() < began + seconds:
        if descriptors(gw.process.pid) <= base:
            return time.monotonic() - began
        drip(sockets, how)
        time.sleep(DRIP_S)
    return None


def slow(size, parties):
    """Each kind of slow client is let go at its deadline, not before, and holds little until then."""
    tls_port, ms = free_port(), int(size.bound * 1000)
    server = "".join(f"  {name}_timeout: {ms}ms\n" for name in ("handshake", "head", "body", "write", "keepalive"))
    # No connection to the upstream outlasts its request, so that descriptors are those of clients.
    conf = conf_of(parties, upstream=f", keepalive: 0, timeouts: {{total: {3 * ms}ms}}")
    with gateway(conf, tls=False, server=server, tls_port=tls_port) as gw:
        gw.request("GET", "/x")
        for what, is_tls, first, how, bounds in SLOW:
            wait_until(lambda: descriptors(gw.process.pid) < 100, 10, "the closing")
            base, before = descriptors(gw.process.pid) + size.slow // 20, rss_mib(gw.process.pid)
            sockets, began = [], time.monotonic()
            for _ in range(size.slow):
                s = socket.socket()
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
                s.connect(("127.0.0.1", tls_port if is_tls else gw.port))
                s.setblocking(False)
                s.send(first)
                sockets.append(s)
            due = size.bound * bounds
            # The kernel may call a dripping reader stalled: it tells of room once a third of its buffer is free.
            least = 0.7 * (size.bound if how == "read" else due)
            with Peak(gw.process.pid) as peak:
                took = last(gw, sockets, how, base, began, due + 10 * PATIENCE)
            for s in sockets:
                s.close()
            grew = peak.most - before
            most = size.slow * SLOW_KIB / 1024 + 2
            yield (f"{size.slow} {what}",
                   f"gone after {'never' if took is None else f'{took:.1f} s'} (due {due:g} s and at most {LINGER_S} of lingering), "
                   f"RSS at most {grew:.1f} MiB more (bound {most:.0f})",
                   took is not None and least <= took <= due + LINGER_S + 3 * PATIENCE and grew <= most)


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwt_template(head, claims, signature):
    """A token whose number stands at a multiple of three bytes, so that it can be filled into the base64url."""
    before, after = json.dumps(claims)[:-1] + ', "jti": "', '"}'
    before = before.replace("{", "{" + " " * (-len(before) % 3), 1)
    return (f"Authorization: Bearer {base64url(json.dumps(head).encode())}."
            f"{base64url(before.encode())}{'%' * 12}{base64url(after.encode())}.{signature}")


def bad_keys(gw):
    known = gw.api_key("alice")[0]
    unknown = "sk_########_" + "A" * 43
    return [f"X-API-Key: {unknown}~~~~~~",
            f"X-API-Key: {known[:12]}#########{'A' * 34}~~~~~~",
            f"Authorization: Bearer {unknown}~~~~~~",
            f"X-API-Key: {unknown}000000"]


def bad_tokens(gw):
    claims = {"iss": "https://idp.example.com", "aud": "ml", "sub": "mallory", "exp": int(time.time()) + 86400}
    head = {"alg": "HS256", "typ": "JWT"}
    own = gw.token("alice")
    return [jwt_template(head, claims, "A" * 43),                                       # not signed
            jwt_template(head, dict(claims, exp=1_000_000_000), "^" * 43),              # signed, over
            jwt_template(dict(head, kid="nobody"), claims, "A" * 43),                   # an unknown key
            jwt_template(head, dict(claims, iss="https://evil.example.com"), "A" * 43),  # an unknown issuer
            jwt_template({"alg": "none"}, claims, "A" * 43),
            f"Authorization: Bearer {own[:own.rindex('.')]}.{'%' * 12}{'A' * 74}",      # ours, changed
            "Authorization: Bearer " + "%" * 12 + "A" * 31]                             # an opaque token


def credentials(size, parties):
    """Distinct credentials that open nothing: what is remembered of them is bounded."""
    issuer = {"issuer": "https://idp.example.com", "audience": ["ml"], "algorithms": ["HS256"], "secret": SECRET}
    conf = f"redis: {{timeout: 20s}}\nauth: {{issuers: {json.dumps([issuer])}}}\n" + conf_of(parties, auth="required")
    with gateway(conf, tls=False) as gw:
        gw.user("alice")
        for what, make in (("API keys", bad_keys), ("tokens", bad_tokens)):
            fields = make(gw)
            parties.run("flood", gw.port, 0, size.warm, SECRET, *fields)
            before, began = rss_mib(gw.process.pid), time.monotonic()
            with Peak(gw.process.pid) as peak:
                seen = parties.run("flood", gw.port, size.warm, size.credentials, SECRET, *fields, seconds=600)
            took, grew = time.monotonic() - began, peak.most - before
            yield (f"{size.credentials} distinct bad {what}",
                   f"answers {seen.replace(chr(10), ', ')}, {took:.1f} s, RSS {before:.1f} MiB and at most "
                   f"{grew:.2f} more (bound {size.growth})",
                   seen == f"401 {size.credentials}" and grew <= size.growth)


CHECKS = {c.__name__: c for c in (transfers, uploads, idle, slow, credentials)}


def run(name, size):
    """The lines of one check, as they come: (text, passed)."""
    folder = tempfile.mkdtemp(prefix="postern-parties-")
    parties = Parties(folder)
    try:
        for what, figures, ok in CHECKS[name](size, parties):
            yield f"{name}: {what}: {figures}: {'pass' if ok else 'FAIL'}", ok
    finally:
        parties.close()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="the figures of tests/e2e/test_sizes.py")
    parser.add_argument("--only", default=",".join(CHECKS), help="some of them, with commas")
    args = parser.parse_args()
    failed = 0
    for name in args.only.split(","):
        for line, ok in run(name, SMALL if args.small else FULL):
            print(line, flush=True)
            failed += not ok
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
