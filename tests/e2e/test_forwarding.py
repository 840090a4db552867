"""Bodies, streams, upgrades and what happens when one side leaves or breaks."""
import base64
import hashlib
import os
import socket
import struct
import threading
import time

import pytest
from conftest import PATIENCE, render, routes, wait_until


def read_answer(s, until=b"\r\n\r\n"):
    data = b""
    while until not in data:
        piece = s.recv(65536)
        if not piece:
            break
        data += piece
    return data


@pytest.fixture
def open_gw(make_gateway):
    def make(up, row="{path: '/**', auth: public, upstream: up}", **kwargs):
        return make_gateway(routes(up, row), **kwargs)
    return make


def test_every_method_and_body_arrives(open_gw, upstream):
    gw = open_gw(upstream)
    for method in "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
        body = b"x" * 10 if method not in ("GET", "OPTIONS") else None
        a = gw.request(method, "/p?q=1", body=body)
        assert a.status == 200 and a.json()["method"] == method and a.json()["target"] == "/p?q=1"
        assert a.json()["body"] == (body or b"").decode()


def test_f5_chunked_delete_keeps_its_body(open_gw, upstream):
    gw = open_gw(upstream)
    with gw.connect() as s:
        s.sendall(b"DELETE /d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        assert b'"body": "abc"' in read_answer(s, b"abc")


def test_head_and_204_and_304_have_no_body(open_gw, make_upstream):
    def handler(request, conn):
        if request["method"] == "HEAD":
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        else:
            conn.sendall(b"HTTP/1.1 %s X\r\n\r\n" % request["target"][1:].encode())
    gw = open_gw(make_upstream(handler))
    a = gw.request("HEAD", "/x")
    assert (a.status, a.headers["content-length"], a.body) == (200, "5", b"")
    for status in 204, 304:
        a = gw.request("GET", f"/{status}")
        assert (a.status, a.body) == (status, b"") and "content-length" not in a.headers


def test_pipelined_requests_are_answered_in_order(open_gw, upstream):
    gw = open_gw(upstream)
    with gw.connect() as s:
        s.sendall(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(20)))
        data = b""
        while data.count(b'"target"') < 20:
            data += s.recv(65536)
        at = [data.index(b'"target": "/%d"' % i) for i in range(20)]
        assert at == sorted(at)


def test_expect_continue_only_after_authorisation(make_gateway, upstream):
    gw = make_gateway(routes(upstream))
    gw.user("alice")
    key, _ = gw.api_key("alice")
    head = "POST /u HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n"
    with gw.connect() as s:
        s.sendall(f"{head}\r\n".encode())
        assert read_answer(s).startswith(b"HTTP/1.1 401 ")
    with gw.connect() as s:
        s.sendall(f"{head}X-API-Key: {key}\r\n\r\n".encode())
        assert read_answer(s).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        s.sendall(b"abc")
        assert b'"body": "abc"' in read_answer(s, b"abc")
    with gw.connect() as s:
        s.sendall(b"POST /u HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: dinner\r\n\r\n")
        assert read_answer(s).startswith(b"HTTP/1.1 417 ")


def test_websocket_through_tls(open_gw, make_upstream):
    def handler(request, conn):
        accept = base64.b64encode(hashlib.sha1((request["low"]["sec-websocket-key"]
                                                + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        conn.sendall(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
        while True:  # echo of unmasked small frames
            head = conn.recv(2)
            if len(head) < 2 or head[0] & 15 == 8:
                return "close"
            n = head[1] & 127
            mask = conn.recv(4)
            data = bytes(b ^ mask[i % 4] for i, b in enumerate(conn.recv(n)))
            conn.sendall(bytes([0x80 | (head[0] & 15), n]) + data)

    gw = open_gw(make_upstream(handler))
    import asyncio

    import websockets

    async def talk():
        async with websockets.connect(f"wss://localhost:{gw.port}/ws", ssl=gw.client_context()) as ws:
            for text in "hello", "from", "postern":
                await ws.send(text)
                assert await asyncio.wait_for(ws.recv(), 10) == text

    asyncio.run(talk())


def test_f6_bytes_before_the_upgrade_are_not_sent(open_gw, make_upstream):
    up = make_upstream(lambda r, c: (403, {}, b"no"))
    gw = open_gw(up)
    with gw.connect() as s:
        s.sendall(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                  b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
                  b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_answer(s).startswith(b"HTTP/1.1 403 ")
        time.sleep(0.2)
    assert up.requests[0]["target"] == "/ws"


def test_f6_h2c_is_not_carried(open_gw, upstream):
    gw = open_gw(upstream)
    a = gw.request("GET", "/x", {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"})
    low = {k.lower() for k, _ in a.json()["headers"]}
    assert not low & {"upgrade", "http2-settings"}


def test_events_arrive_one_by_one(open_gw, make_upstream):
    def handler(request, conn):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for i in range(5):
            conn.sendall(b"9\r\ndata: %d\n\n\r\n" % i)
            time.sleep(0.15)
        conn.sendall(b"0\r\n\r\n")
    gw = open_gw(make_upstream(handler))
    with gw.connect() as s:
        s.sendall(b"GET /e HTTP/1.1\r\nHost: a\r\n\r\n")
        data, times = read_answer(s), []
        while b"0\r\n\r\n" not in data:
            data += s.recv(65536)
            times.append(time.monotonic())
        assert b"x-accel-buffering: no" in data.lower()
        assert times[-1] - times[0] > 0.3, "the events came in one lump"


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_large_download_at_constant_memory(open_gw, make_upstream, framing):
    size = 64 * 1024 * 1024
    piece = os.urandom(1024 * 1024)

    def handler(request, conn):
        head = b"HTTP/1.1 200 OK\r\n"
        head += {"length": b"Content-Length: %d\r\n" % size, "chunked": b"Transfer-Encoding: chunked\r\n", "close": b""}[framing]
        conn.sendall(head + b"\r\n")
        for _ in range(size // len(piece)):
            conn.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if framing == "chunked" else piece)
        if framing == "chunked":
            conn.sendall(b"0\r\n\r\n")
        return "close" if framing == "close" else None

    gw = open_gw(make_upstream(handler))
    before = rss(gw)
    a = gw.request("GET", "/big", timeout=120)
    assert len(a.body) == size and a.body[: len(piece)] == piece and a.body[-len(piece):] == piece
    if PATIENCE == 1:
        assert rss(gw) - before < 8 * 1024


def rss(gw):
    for line in open(f"/proc/{gw.process.pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1])


def test_large_upload_at_constant_memory(open_gw, make_upstream):
    size = 64 * 1024 * 1024
    total = hashlib.sha256()

    def handler(request, conn):
        return 200, {}, f"{len(request['body'])} {hashlib.sha256(request['body']).hexdigest()}".encode()

    gw = open_gw(make_upstream(handler))
    body = os.urandom(size)
    before = rss(gw)
    a = gw.request("POST", "/up", body=body, timeout=120)
    assert a.body.decode() == f"{size} {hashlib.sha256(body).hexdigest()}"
    if PATIENCE == 1:
        assert rss(gw) - before < 8 * 1024


def test_slow_reader_pauses_the_upstream(open_gw, make_upstream):
    sent = [0]

    def handler(request, conn):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            sent[0] += conn.send(b"x" * 65536)

    gw = open_gw(make_upstream(handler))
    with gw.connect() as s:
        s.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        s.recv(1000)
        time.sleep(1)
        first = sent[0]
        time.sleep(1)
        assert sent[0] == first, "the upstream was not held back"
        assert first < 64 * 1024 * 1024


def when_closed(conn):
    """Waits for the gateway to close conn; returns the moment."""
    conn.settimeout(20 * PATIENCE)
    try:
        while conn.recv(65536):
            pass
    except OSError:
        pass
    return time.monotonic()


@pytest.mark.parametrize("moment", ["before_first_byte", "mid_stream", "reading_slowly"])
def test_client_that_leaves_cancels_the_upstream(open_gw, make_upstream, moment):
    closed = []
    reached = threading.Event()

    def handler(request, conn):
        if moment != "before_first_byte":
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc")
        reached.set()
        closed.append(when_closed(conn))
        return "close"

    gw = open_gw(make_upstream(handler))
    s = gw.connect()
    s.sendall(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
    assert reached.wait(10)
    if moment == "mid_stream":
        s.recv(1000)
    time.sleep(0.1)
    left = time.monotonic()
    s.close()
    wait_until(lambda: closed, 5, "the cancellation")
    assert closed[0] - left < 0.1 * (10 if PATIENCE > 1 else 1)


def test_client_that_leaves_while_redis_is_asked(make_gateway, upstream, redis):
    import signal
    gw = make_gateway(f"redis: {{url: '{redis.url}', timeout: 5s}}\n" + routes(upstream))
    gw.user("alice")
    key, _ = gw.api_key("alice")
    os.kill(redis.process.pid, signal.SIGSTOP)
    try:
        s = gw.connect()
        s.sendall(f"GET /x HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\n\r\n".encode())
        time.sleep(0.3)
        s.close()
        wait_until(lambda: any(a.get("close") == "client_gone" for a in gw.access_lines()), 2, "the record")
    finally:
        os.kill(redis.process.pid, signal.SIGCONT)
    assert not upstream.requests


def test_detached_upstream_may_finish(open_gw, make_upstream):
    finished = []

    def handler(request, conn):
        time.sleep(0.5)
        conn.sendall(render(200, {}, b"done"))
        conn.settimeout(0.3)
        try:
            finished.append(conn.recv(1) != b"")
        except socket.timeout:
            finished.append(True)  # the connection is still open: it was kept, not cut
        return "close"

    gw = open_gw(make_upstream(handler), "{path: '/**', auth: public, upstream: up, on_disconnect: detach}")
    s = gw.connect()
    s.sendall(b"GET /job HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(0.2)
    s.close()
    wait_until(lambda: finished, 5)
    assert finished == [True]


BROKEN = {
    "nothing": (b"", 502),
    "garbage": (b"\x00\x01\x02garbage\r\n\r\n", 502),
    "two_lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 502),
    "length_and_chunked": (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 502),
    "unknown_coding": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 502),
    "nul_in_value": (b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n", 502),
    "folded": (b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n", 502),
    "huge_head": (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300000 + b"\r\n\r\n", 502),
    "half_head": (b"HTTP/1.1 200 OK\r\nContent-", 502),
}


@pytest.mark.parametrize("name", BROKEN)
def test_g12_broken_answer_is_502(open_gw, make_upstream, name):
    raw, status = BROKEN[name]

    def handler(request, conn):
        conn.sendall(raw)
        return "close"

    a = open_gw(make_upstream(handler)).request("GET", "/x")
    assert a.status == status and a.json()["error"]["code"] == "bad_gateway"


@pytest.mark.parametrize("raw", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
])
def test_g12_truncated_answer_is_never_whole(open_gw, make_upstream, raw):
    def handler(request, conn):
        conn.sendall(raw)
        return "close"

    import http.client
    gw = open_gw(make_upstream(handler))
    with pytest.raises((http.client.IncompleteRead, ConnectionError, OSError)):
        gw.request("GET", "/x")


def test_refused_late_and_missing_upstreams(make_gateway, make_upstream):
    from conftest import free_port
    slow = make_upstream(lambda r, c: time.sleep(3))
    gw = make_gateway(
        "upstreams:\n"
        f"  none: {{servers: ['http://127.0.0.1:{free_port()}']}}\n"
        f"  slow: {{servers: ['{slow.url}'], timeouts: {{first_byte: 300ms}}}}\n"
        "routes:\n  - {path: /none, auth: public, upstream: none}\n  - {path: /slow, auth: public, upstream: slow}\n")
    assert gw.request("GET", "/none").status in (502, 503)
    began = time.monotonic()
    assert gw.request("GET", "/slow").status == 504
    assert time.monotonic() - began < 2 * PATIENCE


def test_too_large_body_is_413_announced_or_not(open_gw, upstream):
    gw = open_gw(upstream, "{path: '/**', auth: public, upstream: up, max_body: 1KiB}")
    assert gw.request("POST", "/x", body=b"a" * 1024).status == 200
    assert gw.request("POST", "/x", body=b"a" * 1025).status == 413
    with gw.connect() as s:
        s.sendall(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"400\r\n" + b"a" * 1024 + b"\r\n400\r\n" + b"a" * 1024 + b"\r\n")
        assert read_answer(s).startswith(b"HTTP/1.1 413 ")


def test_upstream_connections_are_kept(open_gw, upstream):
    gw = open_gw(upstream)
    for i in range(20):
        assert gw.request("GET", f"/{i}").status == 200
    assert upstream.connections <= 4


def test_unix_socket_upstream(make_gateway, make_upstream, tmp_path):
    up = make_upstream(path=tmp_path / "up.sock")
    gw = make_gateway(routes(up, "{path: '/**', auth: public, upstream: up}"))
    assert gw.request("GET", "/x").status == 200
