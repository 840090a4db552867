"""Servers behind the gateway: choosing among them, giving up on them, trying again, letting go."""
import base64
import collections
import contextlib
import json
import os
import socket
import subprocess
import threading
import time

import pytest
from conftest import BUILD, PATIENCE, Process, Upstream, free_port, wait_until


def group(servers, rest="", name="up"):
    urls = ", ".join(f"'{s if isinstance(s, str) else s.url}'" for s in servers)
    return f"  {name}: {{servers: [{urls}]{', ' + rest if rest else ''}}}\n"


def conf(*groups, routes=("{path: '/**', auth: public, upstream: up}",)):
    return "upstreams:\n" + "".join(groups) + "routes:\n" + "".join(f"  - {r}\n" for r in routes)


def named(name, log=None):
    """A handler that answers with its name."""
    def handler(request, conn):
        if log is not None:
            log.append((name, request))
        return 200, {}, name.encode()
    return handler


def last_line(gw, path):
    """The access line of the request for path, once it is written."""
    return wait_until(lambda: [a for a in gw.access_lines() if a.get("path") == path], what=f"the line of {path}")[-1]


def stats(gw, name="up"):
    found = json.loads(gw.control("GET", "/stats")[1])
    return {s["server"]: s for g in found["upstreams"] if g["name"] == name for s in g["servers"]}


def counter(gw, name):
    return json.loads(gw.control("GET", "/stats")[1])["counters"][name]


def descriptors(gw):
    return len(os.listdir(f"/proc/{gw.process.pid}/fd"))


class Refusing:
    """A port on which nobody listens, and on which nobody else will."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def close(self):
        self.socket.close()


class Hole:
    """A listener whose queue is full: what comes is dropped, as by a machine that is gone."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(0)
        port = self.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.fill = []
        for _ in range(4):
            s = socket.socket()
            s.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                s.connect(("127.0.0.1", port))
            self.fill.append(s)

    def close(self):
        for s in self.fill + [self.socket]:
            s.close()


@pytest.fixture
def hole():
    h = Hole()
    yield h
    h.close()


@pytest.fixture
def refusing():
    r = Refusing()
    yield r
    r.close()


def together(count, call):
    """Runs call(i) on threads at once; returns the results in order."""
    results = [None] * count

    def run(i):
        results[i] = call(i)
    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60 * PATIENCE)
    return results


# ------- choosing -------

def test_round_robin_is_even(make_gateway, make_upstream):
    ups = [make_upstream(named(str(i))) for i in range(3)]
    gw = make_gateway(conf(group(ups)))
    seen = collections.Counter(gw.request("GET", f"/{i}").body for i in range(60))
    assert len(seen) == 3 and max(seen.values()) - min(seen.values()) <= 4, seen  # two workers, each by itself


def test_share_of_a_dead_server_goes_to_all_others(make_gateway, make_upstream, refusing):
    ups = [make_upstream(named(str(i))) for i in range(2)]
    gw = make_gateway(conf(group([refusing, *ups], "health: {eject: 60s}")))
    for i in range(12):
        assert gw.request("GET", f"/warm/{i}").status == 200
    wait_until(lambda: stats(gw)[refusing.url]["state"] == "ejected", what="the ejection")
    seen = collections.Counter(gw.request("GET", f"/{i}").body for i in range(60))
    assert max(seen.values()) - min(seen.values()) <= 4, seen


def test_least_inflight_counts_over_all_workers(make_gateway, make_upstream):
    """24 requests that all wait, from many connections, so both workers have some: 8 on each server."""
    gate, arrived = threading.Event(), collections.Counter()

    def slow(name):
        def handler(request, conn):
            arrived[name] += 1
            gate.wait(30 * PATIENCE)
            return 200, {}, name.encode()
        return handler

    ups = [make_upstream(slow(str(i))) for i in range(3)]
    gw = make_gateway(conf(group(ups, "balance: least_inflight")))
    try:
        threads = []
        for i in range(24):
            t = threading.Thread(target=gw.request, args=("GET", f"/{i}"), kwargs={"timeout": 60})
            t.start()
            threads.append(t)
            wait_until(lambda: sum(arrived.values()) == i + 1, what=f"request {i} at a server")
        assert dict(arrived) == {"0": 8, "1": 8, "2": 8}
        assert sorted(s["inflight"] for s in stats(gw).values()) == [8, 8, 8]
    finally:
        gate.set()
    for t in threads:
        t.join(60)
    wait_until(lambda: all(s["inflight"] == 0 for s in stats(gw).values()), what="all slots given back")


def test_least_inflight_passes_over_the_busy_one(make_gateway, make_upstream):
    gate = threading.Event()

    def handler(request, conn):
        if request["target"] == "/hold":
            gate.wait(30 * PATIENCE)
        return 200, {}, b"a"

    a, b = make_upstream(handler), make_upstream(handler)
    gw = make_gateway(conf(group([a, b], "balance: least_inflight")))
    t = threading.Thread(target=gw.request, args=("GET", "/hold"), kwargs={"timeout": 60})
    t.start()
    wait_until(lambda: a.requests or b.requests, what="the held request")
    free = b if a.requests else a
    for i in range(10):
        assert gw.request("GET", f"/{i}").status == 200
    assert len(free.requests) == 10
    gate.set()
    t.join(60)


@pytest.mark.parametrize("on", ["path", "user"])
def test_hash_is_sticky_and_the_same_in_every_gateway(make_gateway, make_upstream, redis, on):
    ups = [make_upstream(named(str(i))) for i in range(4)]
    master = base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
    text = f"redis: {{url: '{redis.url}'}}\nauth: {{master_key: '{master}'}}\n" + conf(
        group(ups, f"balance: hash, hash_on: {on}"), routes=("{path: '/**', auth: required, upstream: up}",))
    gws = [make_gateway(text) for _ in range(2)]
    keys = []
    for i in range(8):
        gws[0].user(f"user{i}")
        keys.append(gws[0].api_key(f"user{i}")[0])
    where = collections.defaultdict(set)
    for gw in gws:
        for turn in range(2):
            for i in range(8):
                path = f"/p/{i}" if on == "path" else f"/{turn}"
                a = gw.request("GET", path, {"X-API-Key": keys[i if on == "user" else turn]})
                assert a.status == 200, a.body
                where[i].add(a.body)
    assert all(len(servers) == 1 for servers in where.values()), dict(where)
    assert len(set.union(*where.values())) > 1


def test_hash_moves_only_the_share_of_the_server_that_fails(make_gateway, make_upstream):
    gone = None

    def handler(name):
        return lambda request, conn: "close" if name == gone else (200, {}, name)

    ups = [make_upstream(handler(b"%d" % i)) for i in range(4)]
    gw = make_gateway(conf(group(ups, "balance: hash, hash_on: path, retries: 3")))
    before = {i: gw.request("GET", f"/{i}").body for i in range(24)}
    gone = before[0]
    after = {i: gw.request("GET", f"/{i}").body for i in range(24)}
    assert all(after[i] == before[i] for i in before if before[i] != gone)
    assert all(after[i] != gone for i in before)


def test_max_inflight_is_503_and_holds_over_workers(make_gateway, make_upstream):
    gate = threading.Event()

    def handler(request, conn):
        gate.wait(30 * PATIENCE)
        return 200, {}, b"x"

    up = make_upstream(handler)
    gw = make_gateway(conf(group([up], "max_inflight: 3")))
    done = []
    threads = [threading.Thread(target=lambda i=i: done.append(gw.request("GET", f"/{i}", timeout=60))) for i in range(10)]
    for t in threads:
        t.start()
    wait_until(lambda: len(done) == 7, what="seven refusals")
    assert all(a.status == 503 and a.json()["error"]["code"] == "upstream_unavailable" and a.headers["retry-after"] for a in done)
    assert len(up.requests) == 3
    gate.set()
    for t in threads:
        t.join(60)
    assert sorted(a.status for a in done) == [200] * 3 + [503] * 7


# ------- health -------

def test_failing_server_is_ejected_and_comes_back(make_gateway, make_upstream):
    sick = threading.Event()
    sick.set()

    def handler(request, conn):
        return "close" if sick.is_set() else (200, {}, b"a")

    a, b = make_upstream(handler), make_upstream(named("b"))
    gw = make_gateway(conf(group([a, b], "health: {fall: 2, eject: 300ms}")))
    for i in range(10):
        assert gw.request("GET", f"/{i}").status == 200
    wait_until(lambda: "upstream.server_ejected" in gw.process.text(), what="the log line")
    seen = len(a.requests)
    assert seen < 10
    sick.clear()

    def served_by_a():
        return gw.request("GET", "/again").body == b"a"
    wait_until(served_by_a, what="the return of the server")
    assert "upstream.server_back" in gw.process.text()
    assert stats(gw)[a.url]["state"] == "up"


def test_only_ejected_servers_left_are_tried_all_the_same(make_gateway, refusing):
    gw = make_gateway(conf(group([refusing], "health: {fall: 1, eject: 60s}")))
    for i in range(3):
        a = gw.request("GET", f"/{i}")
        assert a.status == 502 and a.json()["error"]["code"] == "upstream_unreachable"
    assert last_line(gw, "/2")["reason"] == "connection refused"


def test_active_checks_take_servers_down_and_up(make_gateway, make_upstream):
    status = {"a": 200, "b": 200}

    def handler(name):
        def run(request, conn):
            return (status[name] if request["target"] == "/health?deep=1" else 200), {}, name.encode()
        return run

    a, b = make_upstream(handler("a")), make_upstream(handler("b"))
    gw = make_gateway(conf(group([a, b], "health: {path: '/health?deep=1', interval: 100ms, fall: 2, rise: 2}")))
    wait_until(lambda: any(r["target"] == "/health?deep=1" for r in a.requests), what="a check")
    check = next(r for r in a.requests if r["target"].startswith("/health"))
    assert check["low"]["user-agent"] == "postern-health" and "x-user-id" not in check["low"]
    status["a"] = 503
    wait_until(lambda: stats(gw)[a.url]["state"] == "down", what="a server that is down")
    assert "status 503" in gw.process.text()
    assert {gw.request("GET", f"/{i}").body for i in range(8)} == {b"b"}
    status["b"] = 500
    wait_until(lambda: stats(gw)[b.url]["state"] == "down", what="both down")
    began = time.monotonic()
    answer = gw.request("GET", "/all-down")
    assert answer.status == 503 and answer.json()["error"]["code"] == "upstream_unavailable" and answer.headers["retry-after"]
    assert time.monotonic() - began < 1 * PATIENCE
    assert last_line(gw, "/all-down")["attempts"] == 0
    assert gw.control("GET", "/readyz")[0] == 200  # ours to serve; upstreams are in /stats
    status["a"] = status["b"] = 204
    wait_until(lambda: {s["state"] for s in stats(gw).values()} == {"up"}, what="both up again")
    assert {gw.request("GET", f"/{i}").body for i in range(8)} == {b"a", b"b"}


def test_health_survives_a_reload(make_gateway, make_upstream):
    bad = make_upstream(lambda r, c: (500, {}, b"") if r["target"] == "/h" else (200, {}, b"bad"))
    good = make_upstream(named("good"))
    text = conf(group([bad, good], "health: {path: /h, interval: 100ms, fall: 1}"))
    gw = make_gateway(text)
    wait_until(lambda: stats(gw)[bad.url]["state"] == "down", what="down")
    gw.write(text + "  - {path: /new, auth: public, upstream: up}\n")
    assert gw.reload()[0]
    assert {gw.request("GET", f"/{i}").body for i in range(6)} == {b"good"}


# ------- time -------

def test_row_20_black_hole_is_given_up_and_passed_over(make_gateway, make_upstream, hole):
    good = make_upstream(named("good"))
    gw = make_gateway(
        conf(group([hole], "timeouts: {connect: 200ms}", "alone"), group([hole, good], "timeouts: {connect: 200ms}"),
             routes=("{path: /alone, auth: public, upstream: alone}", "{path: '/**', auth: public, upstream: up}")))
    before = descriptors(gw)
    a = gw.request("GET", "/alone")
    assert a.status == 504 and a.json()["error"]["code"] == "gateway_timeout"
    assert last_line(gw, "/alone")["reason"] == "connect_timeout"
    began = time.monotonic()
    for i in range(20):
        assert gw.request("GET", f"/{i}").body == b"good"
    assert time.monotonic() - began < 20 * 0.2 * PATIENCE  # it rests after three
    wait_until(lambda: descriptors(gw) <= before + 4, what="the descriptors of the hole")


def silent(request, conn):
    """Says nothing until the other side closes."""
    conn.settimeout(30 * PATIENCE)
    with contextlib.suppress(OSError):
        while conn.recv(65536):
            pass
    return "close"


@pytest.mark.parametrize("where", ["group", "route"])
def test_first_byte_is_waited_for_so_long(make_gateway, make_upstream, where):
    up = make_upstream(silent)
    limit = "timeouts: {first_byte: 300ms}"
    gw = make_gateway(conf(group([up], limit if where == "group" else ""), routes=(
        "{path: '/**', auth: public, upstream: up%s}" % (", " + limit if where == "route" else ""),)))
    began = time.monotonic()
    a = gw.request("GET", "/x")
    assert a.status == 504 and 0.29 <= time.monotonic() - began < 5 * PATIENCE
    assert last_line(gw, "/x")["reason"] == "first_byte_timeout"
    assert len(up.requests) == 1, "a request that was heard is not repeated after a timeout"


def begin_then_silence(request, conn):
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
    return silent(request, conn)


def read_all(s):
    data = b""
    with contextlib.suppress(OSError):
        while piece := s.recv(65536):
            data += piece
    return data


def ask_raw(gw, target="/x"):
    with gw.connect(20) as s:
        s.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        return read_all(s)


def test_idle_stream_is_cut_and_says_why(make_gateway, make_upstream):
    gw = make_gateway(conf(group([make_upstream(begin_then_silence)], "timeouts: {idle: 300ms}")), tls=False)
    began = time.monotonic()
    data = ask_raw(gw)
    assert data.endswith(b"\r\n\r\nabc") and 0.29 <= time.monotonic() - began < 5 * PATIENCE
    line = last_line(gw, "/x")
    assert (line["status"], line["close"], line["reason"]) == (200, "upstream_broke", "idle_timeout")


def test_row_21_pieces_that_keep_coming_are_never_idle(make_gateway, make_upstream):
    def handler(request, conn):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n")
        for _ in range(12):
            time.sleep(0.1)
            conn.sendall(b"x")

    gw = make_gateway(conf(group([make_upstream(handler)], f"timeouts: {{idle: {600 * PATIENCE}ms, first_byte: {600 * PATIENCE}ms}}")))
    assert gw.request("GET", "/x").body == b"x" * 12


def test_total_bounds_the_whole(make_gateway, make_upstream):
    def drip(request, conn):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            time.sleep(0.05)
            conn.sendall(b"x")

    gw = make_gateway(conf(group([make_upstream(drip)], "timeouts: {total: 500ms}")), tls=False)
    began = time.monotonic()
    data = ask_raw(gw)
    assert 0.45 <= time.monotonic() - began < 5 * PATIENCE and data.count(b"x") < 100
    assert last_line(gw, "/x")["reason"] == "total_timeout"


def test_server_that_takes_no_bytes_is_given_up(make_gateway):
    """Write stall: nobody reads; the kernel's buffers fill up, then no byte moves."""
    listener = socket.create_server(("127.0.0.1", 0))
    gw = make_gateway(conf(group([f"http://127.0.0.1:{listener.getsockname()[1]}"], "timeouts: {write: 500ms}")))
    before = descriptors(gw)
    kept = []
    threading.Thread(target=lambda: kept.append(listener.accept()[0]), daemon=True).start()
    a = gw.request("POST", "/x", body=b"x" * (64 << 20), timeout=60)
    assert a.status == 504
    assert last_line(gw, "/x")["reason"] == "write_timeout"
    wait_until(lambda: descriptors(gw) <= before + 1, what="the descriptors")
    listener.close()
    for s in kept:
        s.close()


def test_row_8_timeouts_give_memory_descriptors_and_slots_back(make_gateway, make_upstream):
    up = make_upstream(silent)
    gw = make_gateway(conf(group([up], "timeouts: {first_byte: 100ms}, max_inflight: 8, health: {eject: 0s}")))

    def burst():
        assert {a.status for a in together(8, lambda i: gw.request("GET", f"/{i}"))} == {504}
        wait_until(lambda: stats(gw)[up.url]["inflight"] == 0, what="the slots")

    burst()
    before, memory = descriptors(gw), resident_kib(gw)
    for _ in range(10):
        burst()
    wait_until(lambda: descriptors(gw) <= before + 2, what="the descriptors")
    if PATIENCE == 1:
        assert resident_kib(gw) - memory < 2048


def resident_kib(gw):
    with open(f"/proc/{gw.process.pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


# ------- again, where that is safe -------

def closing_second(log):
    """Keeps the first request's connection, and closes it when a second one comes on it."""
    def handler(request, conn):
        log.append((request["method"], conn.fileno()))
        if [fd for _, fd in log].count(conn.fileno()) > 1:
            return "close"
        return 200, {}, b"first"
    return handler


@pytest.mark.parametrize("method,status", [("GET", 200), ("HEAD", 200), ("DELETE", 200), ("POST", 502), ("PATCH", 502)])
def test_kept_connection_that_closes_is_replaced_only_for_idempotent_requests(make_gateway, make_upstream, method, status):
    log = []
    up = make_upstream(closing_second(log))
    gw = make_gateway(conf(group([up])))
    with gw.connect() as s:  # one connection, so one worker
        def ask(m):
            s.sendall(f"{m} /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode())
            data = b""
            while b"\r\n\r\n" not in data:
                data += s.recv(65536)
            return int(data.split()[1])
        assert ask("GET") == 200
        assert ask(method) == status
    assert [m for m, _ in log].count(method) == (3 if method == "GET" else 2 if status == 200 else 1)


def test_post_is_never_sent_twice_although_another_server_is_there(make_gateway, make_upstream):
    seen = []

    def handler(request, conn):
        seen.append(request["body"])
        return "close"

    gw = make_gateway(conf(group([make_upstream(handler), make_upstream(handler)], "retries: 5")))
    a = gw.request("POST", "/x", body=b"charge the card")
    assert a.status == 502 and seen == [b"charge the card"]
    assert last_line(gw, "/x")["reason"] == "closed by the peer"


def test_put_whose_body_began_is_not_sent_twice(make_gateway, make_upstream):
    seen = []

    def handler(request, conn):
        seen.append(1)
        return "close"

    gw = make_gateway(conf(group([make_upstream(handler), make_upstream(handler)], "retries: 5")))
    assert gw.request("PUT", "/x", body=b"abc").status == 502 and len(seen) == 1


def test_refused_connection_leads_to_the_next_server_for_every_method(make_gateway, make_upstream, refusing):
    good = make_upstream()
    gw = make_gateway(conf(group([refusing, good], "health: {eject: 0s}")))
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        for i in range(4):
            a = gw.request(method, f"/{method}/{i}", body=None if method == "GET" else b"body")
            assert a.status == 200, (method, a.body)
            assert a.json()["body"] == ("" if method == "GET" else "body")
    assert max(last_line(gw, f"/POST/{i}")["attempts"] for i in range(4)) == 2
    assert counter(gw, "postern_upstream_retries_total") >= 8


def test_tries_are_bounded(make_gateway, make_upstream):
    seen = []

    def handler(request, conn):
        seen.append(1)
        return "close"

    ups = [make_upstream(handler) for _ in range(6)]
    gw = make_gateway(conf(group(ups, "retries: 3")))
    assert gw.request("GET", "/x").status == 502
    assert len(seen) == 4 and last_line(gw, "/x")["attempts"] == 4


def test_answer_that_began_is_never_asked_for_again(make_gateway, make_upstream):
    seen = []

    def handler(request, conn):
        seen.append(1)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")
        return "close"

    gw = make_gateway(conf(group([make_upstream(handler), make_upstream(handler)], "retries: 5")))
    assert gw.request("GET", "/x").status == 502 and len(seen) == 1


# ------- answers -------

def raw(*pieces, then=None):
    """A handler that sends these bytes."""
    def handler(request, conn):
        for p in pieces:
            conn.sendall(p)
        return then
    return handler


def exchange(gw, request, until):
    with gw.connect() as s:
        s.sendall(request)
        data = b""
        while until not in data:
            piece = s.recv(65536)
            if not piece:
                break
            data += piece
        return data


def simple(server):
    return conf(group([server]))


HINTS = (b"HTTP/1.1 102 Processing\r\n\r\n"
         b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-User-Id: mallory\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n"
         b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfinal")


def test_early_hints_are_handed_on(make_gateway, make_upstream):
    gw = make_gateway(simple(make_upstream(raw(HINTS))))
    for connection in "keep-alive", "close":
        data = exchange(gw, f"GET /x HTTP/1.1\r\nHost: a\r\nConnection: {connection}\r\n\r\n".encode(), b"final")
        hints, rest = data.split(b"\r\n\r\n", 1)
        assert hints == b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload"
        assert rest.startswith(b"HTTP/1.1 200 OK\r\n") and b"102" not in rest.split(b"\r\n\r\n")[0]


def test_early_hints_are_kept_from_http_1_0(make_gateway, make_upstream):
    gw = make_gateway(simple(make_upstream(raw(HINTS))))
    assert exchange(gw, b"GET /x HTTP/1.0\r\nHost: a\r\n\r\n", b"final").startswith(b"HTTP/1.1 200 OK\r\n")


def test_broken_answer_after_early_hints_is_still_502(make_gateway, make_upstream):
    up = make_upstream(raw(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", then="close"))
    gw = make_gateway(simple(up))
    data = exchange(gw, b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n", b"bad_gateway")
    assert b"\r\n\r\nHTTP/1.1 502 " in data and len(up.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_pass_as_they_are(make_gateway, make_upstream, status):
    gw = make_gateway(simple(make_upstream(lambda r, c: (status, {"Location": "/elsewhere?a=1#b"}, b"moved"))))
    a = gw.request("POST", "/x", body=b"y")
    assert (a.status, a.headers["location"], a.body) == (status, "/elsewhere?a=1#b", b"moved")


def test_answer_that_ends_with_the_connection_is_not_reused(make_gateway, make_upstream):
    up = make_upstream(raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"))  # and keeps it open
    gw = make_gateway(simple(up))
    with gw.connect() as s:
        for _ in range(3):
            s.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
            data = b""
            while not data.endswith(b"\r\n\r\nok"):
                data += s.recv(65536)
            assert b"connection: close" not in data.lower()  # hop by hop: ours stays
    assert up.connections == 3


@pytest.mark.parametrize("head", [b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"])
def test_body_where_there_is_none_never_becomes_the_next_answer(make_gateway, make_upstream, head):
    def handler(request, conn):
        if request["target"] == "/poison":
            conn.sendall(head + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
            return None
        return 200, {}, b"clean"

    gw = make_gateway(simple(make_upstream(handler)))
    with gw.connect() as s:
        for _ in range(5):
            s.sendall(b"GET /poison HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n")
            data = b""
            while b"clean" not in data and b"poison" not in data:
                data += s.recv(65536)
            assert b"poison" not in data


def test_trailers_pass_without_those_that_decide(make_gateway, make_upstream):
    gw = make_gateway(simple(make_upstream(raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\n"
        b"X-Sum: 6\r\nX-User-Id: mallory\r\nContent-Length: 3\r\nX_User_Id: mallory\r\nAuthorization: Bearer x\r\n\r\n"))))
    data = exchange(gw, b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n", b"Sum: 6\r\n\r\n")
    assert data.endswith(b"3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n"), data


def test_upgrade_that_is_refused_leaves_a_working_connection(make_gateway, make_upstream):
    up = make_upstream(lambda r, c: (426, {"Upgrade": "websocket"}, b"no") if "upgrade" in r["low"] else (200, {}, b"yes"))
    gw = make_gateway(simple(up))
    with gw.connect() as s:
        s.sendall(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                  b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        data = b""
        while not data.endswith(b"no"):
            data += s.recv(65536)
        assert data.startswith(b"HTTP/1.1 426 ")
        s.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        while not data.endswith(b"yes"):
            data += s.recv(65536)
    assert up.connections == 2, "the connection of a refused upgrade is not used again"


def test_upgrade_nobody_asked_for_is_502(make_gateway, make_upstream):
    up = make_upstream(raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nraw bytes"))
    gw = make_gateway(simple(up))
    a = gw.request("GET", "/x")
    assert a.status == 502 and b"raw bytes" not in a.body
    assert last_line(gw, "/x")["reason"] == "malformed_answer"


def test_answer_before_the_body_is_sent_reaches_the_client(make_gateway):
    """413 from a server that does not want to read 64 MiB."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        conn, _ = listener.accept()
        with conn:
            conn.recv(65536)
            conn.sendall(b"HTTP/1.1 413 X\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo large")
            with contextlib.suppress(OSError):
                while conn.recv(1 << 20):
                    pass

    threading.Thread(target=serve, daemon=True).start()
    gw = make_gateway(simple(f"http://127.0.0.1:{listener.getsockname()[1]}"))
    with gw.connect(30) as s:
        s.sendall(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 67108864\r\n\r\n" + b"x" * 100000)
        data = b""
        while not data.endswith(b"too large"):
            piece = s.recv(65536)
            assert piece, data
            data += piece
    assert data.startswith(b"HTTP/1.1 413 ")
    wait_until(lambda: stats(gw)[f"http://127.0.0.1:{listener.getsockname()[1]}"]["inflight"] == 0, what="the slot")
    listener.close()


# ------- tunnels -------

def tunnel(gw):
    s = gw.connect(30)
    s.sendall(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
              b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
    data = b""
    while b"\r\n\r\n" not in data:
        data += s.recv(65536)
    assert data.startswith(b"HTTP/1.1 101 ")
    return s


SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def test_tunnel_in_which_only_the_client_speaks_is_not_idle(make_gateway, make_upstream):
    got, ended = [], []

    def handler(request, conn):
        conn.sendall(SWITCH)
        while piece := conn.recv(65536):
            got.append(piece)
        ended.append(time.monotonic())
        return "close"

    gw = make_gateway(conf(group([make_upstream(handler)], f"timeouts: {{idle: {500 * PATIENCE}ms}}")))
    with tunnel(gw) as s:
        for _ in range(10):
            time.sleep(0.1 * PATIENCE)
            s.sendall(b"x")
        last = time.monotonic()
        assert not ended, "cut while the client was speaking"
        wait_until(lambda: ended, what="the end, since both are silent")
    assert b"".join(got) == b"x" * 10 and ended[0] - last > 0.3 * PATIENCE


def test_last_words_of_a_tunnel_arrive(make_gateway, make_upstream, tmp_path):
    """The client speaks and leaves before a slow server has heard it: all that was taken is delivered."""
    slow, got = threading.Event(), []

    def handler(request, conn):
        conn.sendall(SWITCH)
        assert slow.wait(20 * PATIENCE)
        while piece := conn.recv(65536):
            got.append(len(piece))
        got.append(0)
        return "close"

    gw = make_gateway(simple(make_upstream(handler, tmp_path / "up.sock")), tls=False)
    size = 380 << 10  # the socket holds some 200 KiB, the gateway up to 256 before it stops to take
    with tunnel(gw) as s:
        s.sendall(b"x" * size)
    wait_until(lambda: last_line(gw, "/ws"), what="the end of the client's side")
    slow.set()
    wait_until(lambda: got and got[-1] == 0, 20, "the end")
    assert sum(got) == size


# ------- names -------

def test_localhost_needs_no_name_server(make_gateway, make_upstream):
    up = make_upstream(named("here"))
    gw = make_gateway(simple(f"http://localhost:{up.port}"))
    assert gw.request("GET", "/x").body == b"here"
    assert stats(gw)[f"http://localhost:{up.port}"]["addresses"] == ["127.0.0.1"]


def test_name_that_nobody_knows_stops_nothing_else(make_gateway, make_upstream):
    up = make_upstream(named("good"))
    gw = make_gateway(conf(group(["http://nowhere.invalid:80"], name="lost"), group(["http://nowhere.invalid:80", up]),
                           routes=("{path: /lost, auth: public, upstream: lost}", "{path: '/**', auth: public, upstream: up}")))
    assert {gw.request("GET", f"/{i}").body for i in range(6)} == {b"good"}
    a = gw.request("GET", "/lost")
    assert a.status == 503 and a.json()["error"]["code"] == "upstream_unavailable"
    assert stats(gw, "lost")["http://nowhere.invalid:80"]["state"] == "unresolved"


class NameServer:
    """Answers A questions on 127.0.53.1:53 from `names`; mute when told so. AAAA is always empty."""

    ADDRESS = "127.0.53.1"

    def __init__(self):
        self.names, self.is_mute, self.is_open = {}, False, True
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((self.ADDRESS, 53))
        self.socket.settimeout(0.1)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while self.is_open:
            with contextlib.suppress(OSError):
                question, who = self.socket.recvfrom(512)
                if not self.is_mute:
                    self.socket.sendto(self.answer(question), who)

    def close(self):
        self.is_open = False
        self.thread.join()
        self.socket.close()

    def answer(self, q):
        labels, at = [], 12
        while q[at]:
            labels.append(q[at + 1:at + 1 + q[at]].decode())
            at += q[at] + 1
        kind = q[at + 2]
        addresses = self.names.get(".".join(labels).lower(), None)
        rows = addresses if addresses and kind == 1 else []
        code = 0x83 if addresses is None else 0x80
        out = q[:2] + bytes([0x81, code, 0, 1, 0, len(rows), 0, 0, 0, 0]) + q[12:at + 5]
        for a in rows:
            out += b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton(a)  # for one second
        return out


@pytest.fixture
def name_server():
    """The only name server that the gateway of start_with_names() knows. Needs root, for port 53 and a mount."""
    probe = subprocess.run(["unshare", "-m", "true"], capture_output=True)
    try:
        ns = NameServer()
    except OSError as e:
        pytest.skip(f"no port 53: {e}")
    if probe.returncode != 0:
        ns.close()
        pytest.skip("no mounts of our own")
    yield ns
    ns.close()


def start_with_names(gw):
    resolv, hosts, nss = gw.folder / "resolv.conf", gw.folder / "hosts", gw.folder / "nsswitch.conf"
    resolv.write_text(f"nameserver {NameServer.ADDRESS}\n")
    hosts.write_text("127.0.0.1 localhost\n")
    nss.write_text("hosts: files dns\n")
    gw.process = Process(
        ["unshare", "-m", "sh", "-c",
         f"mount --bind {resolv} /etc/resolv.conf && mount --bind {hosts} /etc/hosts && mount --bind {nss} /etc/nsswitch.conf "
         f"&& exec {BUILD / 'postern'} -c {gw.path}"], gw.folder, "postern", env=gw.env)
    wait_until(gw.is_ready, what="readiness")
    return gw


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
def test_server_that_moves_is_followed(make_gateway, name_server, connection):
    """D18: the time to live of one second, then the new address, without a reload; kept connections do not stay."""
    port = free_port()
    servers = []
    for address in "127.0.0.2", "127.0.0.3":
        listener = socket.create_server((address, port))
        up = Upstream.__new__(Upstream)
        up.requests, up.connections, up.is_open, up.listener = [], 0, True, listener
        up.handler = lambda request, conn, address=address: (
            200, {"Connection": connection}, address.encode())
        threading.Thread(target=up._accept, daemon=True).start()
        servers.append(up)
    name_server.names["ml.example"] = ["127.0.0.2"]
    gw = start_with_names(make_gateway(simple(f"http://ml.example:{port}"), start=False))
    assert gw.request("GET", "/x").body == b"127.0.0.2"
    name_server.names["ml.example"] = ["127.0.0.3"]
    wait_until(lambda: gw.request("GET", "/x").body == b"127.0.0.3", 20, "the new address")
    name_server.names["ml.example"] = None  # NXDOMAIN: the old address stays
    wait_until(lambda: "upstream.resolve_failed" in gw.process.text(), 20, "the failed question")
    assert gw.request("GET", "/x").body == b"127.0.0.3"
    for up in servers:
        up.close()


def test_mute_name_server_delays_neither_start_nor_reload_much(make_gateway, make_upstream, name_server):
    up = make_upstream(named("good"))
    name_server.is_mute = True
    text = conf(group(["http://a.example:80", "http://b.example:80"], name="lost"), group([up]),
                routes=("{path: /lost, auth: public, upstream: lost}", "{path: '/**', auth: public, upstream: up}"))
    gw = make_gateway(text, start=False)
    began = time.monotonic()
    start_with_names(gw)
    assert time.monotonic() - began < 6 * PATIENCE
    gw.write(text.replace("a.example", "c.example"))
    began = time.monotonic()
    reload = threading.Thread(target=gw.reload)
    reload.start()
    while reload.is_alive():  # workers know nothing of it
        assert gw.request("GET", "/x").body == b"good"
    assert time.monotonic() - began < 5 * PATIENCE
    name_server.names = {n: ["127.0.0.1"] for n in ("b.example", "c.example")}
    name_server.is_mute = False
    wait_until(lambda: {s["state"] for s in stats(gw, "lost").values()} == {"up"}, 30, "the names, once they are known")
