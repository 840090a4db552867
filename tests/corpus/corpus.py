"""
Cases against a real daemon: what a peer sends, and what must come of it.

A case is bytes and an `expect`; most live in YAML files, one each (README.md), others are made in
Python. A Rig is one daemon with a plain and a TLS listener and one recording upstream behind it.
`rig.check(bytes, expect)` plays a case and ends with a request of its own: on the same connection
where the case must leave it usable, on a fresh one otherwise. The daemon has one worker and the
upstream one thread, so when that request is answered, all that the case made the daemon forward
has been recorded: no waiting is needed to know that nothing was.
"""
import contextlib
import dataclasses
import itertools
import pathlib
import select
import socket
import ssl
import struct
import sys
import threading
import time

import pytest
import yaml

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from conftest import PATIENCE, Gateway, certificate, free_port  # noqa: E402,F401

WAIT_S = 15  # for a byte or an end that must come
ABSENT = object()


# ------- cases in files -------

class Case:
    def __init__(self, path):
        self.name = path.stem
        data = yaml.safe_load(path.read_text())
        known = {"id", "why", "send", "answer", "then", "late", "tls", "expect"}
        assert set(data) <= known and data.get("why") and "expect" in data, f"{path}: {set(data) - known}"
        self.id, self.why, self.expect = data.get("id", ""), data["why"], data["expect"]
        self.send = joined(data["send"]) if "send" in data else None
        self.answer = joined(data["answer"]) if "answer" in data else None
        self.then = data.get("then", "")
        self.late = joined(data["late"]) if "late" in data else None
        self.tls = data.get("tls", False)


def joined(pieces):
    """A list of strings (latin-1) and of {repeat: text, times: n}: the bytes."""
    return b"".join(
        (p["repeat"] * p["times"] if isinstance(p, dict) else p).encode("latin-1")
        for p in ([pieces] if isinstance(pieces, str) else pieces)
    )


def cases(folder):
    """For pytest.mark.parametrize("case", cases("framing/request")): named F1-te_and_cl or good_get."""
    found = [Case(p) for p in sorted((HERE / folder).glob("*.yaml"))]
    assert found, folder
    return [pytest.param(c, id=f"{c.id}-{c.name}" if c.id else c.name) for c in found]


# ------- reading HTTP as strictly as we can, with nothing of the daemon's -------

@dataclasses.dataclass
class Message:
    start: str
    fields: list  # (name, value) as received
    body: bytes = b""
    trailers: list = dataclasses.field(default_factory=list)
    whole: bool = False
    raw: bytes = b""
    connection: int = 0

    @property
    def status(self):
        return int(self.start.split(" ")[1])

    @property
    def method(self):
        return self.start.split(" ")[0]

    @property
    def target(self):
        return self.start.split(" ")[1]

    def values(self, name):
        return [v for n, v in self.fields if n.lower() == name.lower()]


class Malformed(Exception):
    pass


def read_fields(text):
    fields = []
    for line in text.split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip() or "\n" in line or "\r" in line or "\0" in line:
            raise Malformed(line)
        fields.append((name, value.strip(" \t")))
    return fields


def read_chunks(data, at, m):
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        size = int(data[at:end], 16)
        at = end + 2
        if size == 0:
            break
        m.body += data[at:at + size]
        if len(data) < at + size + 2:
            return None
        if data[at + size:at + size + 2] != b"\r\n":
            raise Malformed("chunk end")
        at += size + 2
    if data[at:at + 2] == b"\r\n":
        return at + 2
    end = data.find(b"\r\n\r\n", at)
    if end < 0:
        return None
    m.trailers = read_fields(data[at:end].decode("latin-1"))
    return end + 4


def read_message(data, bodiless=False, is_request=False, ended=False):
    """(Message or None, bytes used). A message that is not whole uses all bytes."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None, 0
    start, _, rest = data[:end].decode("latin-1").partition("\r\n")
    m = Message(start, read_fields(rest) if rest else [])
    at = end + 4
    codings, lengths = m.values("transfer-encoding"), m.values("content-length")
    if len(codings) + len(lengths) > 1:
        raise Malformed(f"framing {codings} {lengths}")
    if bodiless:
        used = at
    elif codings:
        if codings != ["chunked"]:
            raise Malformed(f"coding {codings}")
        used = read_chunks(data, at, m)
    elif lengths:
        m.body = data[at:at + int(lengths[0])]
        used = at + int(lengths[0]) if len(m.body) == int(lengths[0]) else None
    elif is_request:
        used = at
    else:
        m.body, used = data[at:], len(data) if ended else None
    m.whole = used is not None
    used = used if m.whole else len(data)
    m.raw = data[:used]
    return m, used


def read_answers(data, heads=(), ended=False):
    """All answers in data, interim ones apart. heads: which are answers to HEAD, by number."""
    answers, interim, at = [], [], 0
    while at < len(data):
        if not data.startswith(b"HTTP/1.1 ", at):
            raise Malformed(data[at:at + 80])
        status = int(data[at + 9:at + 12])
        is_bare = status < 200 or status in (204, 304) or len(answers) in heads
        m, used = read_message(data[at:], is_bare, ended=ended)
        if m is None:
            break
        (interim if status < 200 and status != 101 else answers).append(m)
        at += used
    return answers, interim, data[at:]


# ------- the upstream -------

class Recorder:
    """
    An upstream that keeps every byte and answers by script: `script` is the bytes for the next
    request that is no probe, `then` what to do: "close" after them, "notify" (close_notify, then
    close), "reset", "early" (as soon as the head is there, whatever becomes of the body). Without a script each request gets 200 and its own target as the body.
    One thread; each turn first accepts, then reads all, then answers.
    """

    def __init__(self, tls_context=None):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.context = tls_context
        self.url = f"{'https' if tls_context else 'http'}://127.0.0.1:{self.port}"
        self.lock = threading.Lock()
        self.requests, self.received, self.open, self.ended = [], [], {}, set()
        self.pending, self.deaf, self.broken = {}, set(), []
        self.script, self.then = None, ""
        self.wake, self.woken = socket.socketpair()
        self.is_open = True
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def push(self, connection, data):
        """Says something on a connection without having been asked, if it is still there."""
        with self.lock, contextlib.suppress(OSError, KeyError):
            self.open[connection].sendall(data)

    def close(self):
        self.is_open = False
        self.wake.send(b"x")
        self.thread.join(WAIT_S)
        for s in [self.listener, *self.open.values()]:
            s.close()

    def _run(self):
        while self.is_open:
            with self.lock:
                watched = [s for n, s in self.open.items() if n not in self.ended]
            with contextlib.suppress(OSError, ValueError):
                select.select([self.listener, self.woken, *watched], [], [])
            with self.lock:
                self._accept()
                for number in list(self.open):
                    self._read(number)
                for number in list(self.open):
                    self._answer(number)

    def _accept(self):
        while select.select([self.listener], [], [], 0)[0]:
            s, _ = self.listener.accept()
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is pushed goes out at once
            if self.context is not None:
                try:
                    s.settimeout(WAIT_S)
                    s = self.context.wrap_socket(s, server_side=True)
                except OSError:
                    s.close()
                    continue
            s.setblocking(False)
            self.open[len(self.received)] = s
            self.pending[len(self.received)] = b""
            self.received.append(b"")

    def _read(self, number):
        if number in self.ended:
            return
        try:
            while data := self.open[number].recv(1 << 20):
                self.received[number] += data
                self.pending[number] += data if number not in self.deaf else b""
            self.ended.add(number)
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except OSError:
            self.ended.add(number)

    def _answer(self, number):
        while number in self.open and self.pending[number]:
            try:
                m, used = read_message(self.pending[number], is_request=True)
                if m is None or not (m.whole or self._answers_early(number, m)):
                    break
            except (Malformed, ValueError) as e:
                self.broken.append(e)
                self.deaf.add(number)
                self.pending[number] = b""
                break
            self.pending[number] = self.pending[number][used:]
            m.connection = number
            self.requests.append(m)
            self._play(number, m)
        if number in self.ended and number in self.open:
            self._drop(number)

    def _answers_early(self, number, m):
        if self.script is None or "early" not in self.then or m.target.startswith("/probe/"):
            return False
        self.deaf.add(number)
        return True

    def _play(self, number, m):
        s = self.open[number]
        s.settimeout(WAIT_S)
        with contextlib.suppress(OSError):
            if self.script is None or m.target.startswith("/probe/"):
                body = m.target.encode("latin-1")
                s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
                          + (b"" if m.method == "HEAD" else body))
            else:
                s.sendall(self.script)
                then, self.script, self.then = self.then, None, ""
                if "reset" in then:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if "notify" in then:
                    s.unwrap()
                if {"reset", "close", "notify"} & set(then.split()):
                    self._drop(number)
                    return
        s.setblocking(False)

    def _drop(self, number):
        self.open.pop(number).close()


# ------- the daemon, and playing a case -------

class Outcome:
    """What the client got: answers, interim ones, left-over bytes, and how it ended."""

    def __init__(self, heads):
        self.data, self.heads = b"", heads
        self.ended = self.was_reset = False

    def read(self):
        self.answers, self.interim, self.rest = read_answers(self.data, self.heads, self.ended)
        return self.answers

    def __repr__(self):
        end = "reset" if self.was_reset else "end" if self.ended else "open"
        return f"<{self.data[:2000]!r} {end}>"


class Rig:
    """One daemon and its recorder. conf: YAML below server/listen/admin with %(url)s in it."""

    ROUTES = "upstreams:\n  up: {servers: ['%(url)s']}\nroutes:\n  - {path: '/**', auth: public, upstream: up}\n"

    def __init__(self, folder, conf=ROUTES, server="", tls_upstream=None, recorder=None, **kwargs):
        self.upstream = recorder or Recorder(tls_upstream)
        plain, tls = free_port(), free_port()
        listen = f"  - address: 127.0.0.1:{plain}\n"
        self.gw = Gateway(folder, "", listen=listen, tls=False, workers=1, server=server, **kwargs)
        listen += (f"  - address: 127.0.0.1:{tls}\n"
                   f"    tls: {{certificate: {self.gw.cert}, key: {self.gw.key}}}\n")
        self.gw.base = self.gw.base.replace(f"listen:\n  - address: 127.0.0.1:{plain}\n", f"listen:\n{listen}")
        self.gw.port, self.tls_port = plain, tls
        self.gw.write(conf % {"url": self.upstream.url})
        self.gw.start()
        self.numbers = itertools.count(1)

    def close(self):
        try:
            assert self.gw.stop() == 0
        finally:
            self.upstream.close()

    def connect(self, tls=False):
        s = socket.create_connection(("127.0.0.1", self.tls_port if tls else self.gw.port), timeout=WAIT_S * PATIENCE)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not tls:
            return s
        context = self.gw.client_context()
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # an end without close_notify is an error
        return context.wrap_socket(s, server_hostname="localhost", suppress_ragged_eofs=False)

    def play(self, data, tls=False, half_close=False, answers=None, heads=(), before=None, piece=1 << 30):
        """
        Sends data (in pieces) on a fresh connection, reads until the daemon ends it or `answers`
        final answers are whole. Returns (Outcome, socket); the socket is still open when the daemon left it so.
        """
        s = self.connect(tls)
        send_all(s, data, piece)
        if half_close:
            s.shutdown(socket.SHUT_WR)
        out = Outcome(heads)
        if before is not None:
            before(s)
        self.read(s, out, answers)
        return out, s

    def read(self, s, out, answers):
        end = time.monotonic() + WAIT_S * PATIENCE
        while not out.ended:
            if answers is not None and sum(a.whole for a in out.read()) >= answers:
                return
            assert time.monotonic() < end, f"no end in {WAIT_S} s: {out}"
            try:
                piece = s.recv(1 << 20)
            except socket.timeout:
                raise AssertionError(f"neither answer nor end in {WAIT_S} s: {out}") from None
            except OSError:
                piece, out.was_reset = b"", True
            out.data += piece
            out.ended = not piece
        out.read()

    def probe(self, s=None):
        """A request that is certainly fine; its answer must be its own. Returns its number."""
        target = f"/probe/{next(self.numbers)}"
        text = f"GET {target} HTTP/1.1\r\nHost: probe\r\n\r\n".encode()
        fresh = s is None
        s = self.connect() if fresh else s
        with contextlib.ExitStack() as stack:
            if fresh:
                stack.enter_context(s)
            s.sendall(text)
            out = Outcome(())
            self.read(s, out, 1)
        got = out.answers[0] if out.answers else None
        assert got and got.status == 200 and got.body == target.encode(), f"the request after the case: {out}"
        return target

    def check(self, data, expect, answer=None, then="", late=None, tls=False, half_close=False, before=None, piece=1 << 30):
        """
        Plays one case; piece: bytes a write. expect (README.md): status or statuses, closes, forwarded, interim,
        answer, aborted, reused. Returns (Outcome, forwarded messages) for further questions.
        """
        up = self.upstream
        with up.lock:
            first, broken = len(up.requests), len(up.broken)
            up.script, up.then = answer, then
        statuses = expect.get("statuses") or ([expect["status"]] if "status" in expect else [])
        closes = expect.get("closes", False)
        heads = set(expect.get("heads", [0] if data[:5] == b"HEAD " else []))
        out, s = self.play(data, tls, half_close, None if closes else max(1, len(statuses)), heads, before, piece)
        try:
            if late is not None:
                up.push(up.requests[-1].connection, late)
            if closes:
                assert out.ended, f"the connection was left open: {out}"
            else:
                assert not out.ended, f"the connection was closed: {out}"
            probe = self.probe(None if closes else s)
        finally:
            s.close()
        with up.lock:
            up.script = None
            seen = up.requests[first:]
            assert len(up.broken) == broken, f"the upstream got what it cannot read: {up.broken[broken:]}"
        assert seen and seen[-1].target == probe, f"after the probe came {seen}"
        self.judge(out, statuses, expect)
        judge_forwarded(seen[:-1], expect.get("forwarded", ABSENT))
        if "reused" in expect:
            was = seen[-1].connection == seen[-2].connection
            assert was == expect["reused"], "the upstream connection was " + ("reused" if was else "not reused")
        return out, seen[:-1]

    def judge(self, out, statuses, expect):
        got = [a.status for a in out.answers]
        assert not out.rest, f"left over: {out.rest[:200]!r} in {out}"
        if expect.get("aborted"):
            assert not out.answers or not out.answers[-1].whole or out.was_reset, f"looks whole: {out}"
            statuses = statuses[:len(got)]
        else:
            assert all(a.whole for a in out.answers), f"cut short: {out}"
        assert len(got) == len(statuses), f"answers {got}, expected {statuses}: {out}"
        for is_, wanted in zip(got, statuses):
            assert is_ in wanted if isinstance(wanted, list) else is_ == wanted, f"answers {got}, expected {statuses}: {out}"
        interim = [i if isinstance(i, dict) else {"status": i} for i in expect.get("interim", [])]
        assert [i.status for i in out.interim] == [i["status"] for i in interim], f"interim: {out}"
        for is_, wanted in zip(out.interim, interim):
            judge_message(is_, {k: v for k, v in wanted.items() if k != "status"})
        if "answer" in expect:
            judge_message(out.answers[-1], expect["answer"])

    def play_case(self, case, default=b"", piece=1 << 30):
        return self.check(case.send if case.send is not None else default, case.expect, case.answer,
                          case.then, case.late, case.tls, half_close="half_close" in case.then, piece=piece)


def send_all(s, data, piece):
    """A daemon that has seen enough may stop reading: that is for it to say and for us to read."""
    with contextlib.suppress(OSError):
        for at in range(0, len(data), piece):
            s.sendall(data[at:at + piece])


def judge_forwarded(seen, wanted):
    if wanted is ABSENT:
        return
    count = wanted if isinstance(wanted, int) else len(wanted)
    assert len(seen) == count, f"forwarded {len(seen)}, expected {count}: {[m.raw[:300] for m in seen]}"
    for m, want in zip(seen, [] if isinstance(wanted, int) else wanted):
        judge_message(m, want)


def judge_message(m, want):
    """want: method, target, headers {name: value or [values]}, absent [names], body, trailers."""
    assert set(want) <= {"method", "target", "headers", "absent", "body", "trailers"}, want
    for part in "method", "target":
        assert part not in want or getattr(m, part) == want[part], f"{part}: {m.raw[:300]!r}"
    for name, value in want.get("headers", {}).items():
        values = value if isinstance(value, list) else [str(value)]
        assert m.values(name) == values, f"{name}: {m.values(name)}, expected {values}"
    for name in want.get("absent", []):
        assert not m.values(name), f"{name} is there: {m.raw[:600]!r}"
    if "body" in want:
        assert m.body == joined(want["body"]), f"body {m.body[:300]!r}"
    if "trailers" in want:
        assert dict(m.trailers) == want["trailers"], f"trailers {m.trailers}"


@contextlib.contextmanager
def rig(tmp_path_factory, *args, **kwargs):
    """with rig(tmp_path_factory) as r: a Rig in a folder of its own."""
    r = Rig(tmp_path_factory.mktemp("rig"), *args, **kwargs)
    try:
        yield r
    finally:
        r.close()
