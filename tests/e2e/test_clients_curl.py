"""curl (Debian's) through postern over TLS: what its users type, and what it says with -v."""
import os
import subprocess
import threading
import time

import pytest
from conftest import PATIENCE, routes, wait_until

MIB = 1024 * 1024


def range_of(request, size):
    first, _, last = request["low"]["range"].removeprefix("bytes=").partition("-")
    return int(first), int(last) if last else size - 1


class Shelf:
    """An upstream: /echo, /file (with ranges), /events (waits for leave before each)."""

    def __init__(self):
        self.content = os.urandom(2 * MIB)
        self.may_go_on = threading.Semaphore(0)
        self.cut_after = None

    def __call__(self, request, conn):
        return getattr(self, request["target"].strip("/").partition("?")[0])(request, conn)

    def echo(self, request, conn):
        return 200, {"X-Method": request["method"]}, request["body"]

    def file(self, request, conn):
        size = len(self.content)
        if "range" not in request["low"]:
            if self.cut_after is None:
                return 200, {"Accept-Ranges": "bytes"}, self.content
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + self.content[:self.cut_after])
            return "close"
        first, last = range_of(request, size)
        return 206, {"Content-Range": f"bytes {first}-{last}/{size}"}, self.content[first:last + 1]

    def events(self, request, conn):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for i in range(3):
            if i > 0 and not self.may_go_on.acquire(timeout=30 * PATIENCE):
                return "close"
            conn.sendall(b"9\r\ndata: %d\n\n\r\n" % i)
        conn.sendall(b"0\r\n\r\n")
        return None


@pytest.fixture
def shelf():
    return Shelf()


@pytest.fixture
def up(make_upstream, shelf):
    return make_upstream(shelf)


@pytest.fixture
def gw(make_gateway, up):
    g = make_gateway(routes(up, "{path: /small, upstream: up, max_body: 1MiB}", "{path: /**, upstream: up}"))
    g.alice = g.user("alice")
    g.alice_key = g.api_key("alice")[0]
    return g


def command(gw, *args, path="", key=True, version="--http1.1"):
    auth = ["-H", f"Authorization: Bearer {gw.alice_key}"] if key else []
    return ["curl", "-sS", "--max-time", str(30 * PATIENCE), version, "--cacert", str(gw.cert), *auth, *map(str, args), gw.url(path)]


def curl(gw, *args, ok=True, **kwargs):
    done = subprocess.run(command(gw, *args, **kwargs), capture_output=True, timeout=60 * PATIENCE)
    assert not ok or done.returncode == 0, done.stderr.decode()
    return done


def said(done, sign):
    """The lines of -v: '>' sent, '<' received, '*' told."""
    return [line[2:].rstrip() for line in done.stderr.decode(errors="replace").splitlines() if line.startswith(sign)]


@pytest.fixture
def upload(tmp_path):
    path = tmp_path / "upload.bin"
    path.write_bytes(os.urandom(3 * MIB))
    return path


@pytest.mark.parametrize("how", [(), ("-H", "Transfer-Encoding: chunked")], ids=["length", "chunked"])
def test_curl_expect_100_continue(gw, upload, how):
    done = curl(gw, "-v", "--expect100-timeout", 20 * PATIENCE, "-T", upload, "-H", "Expect: 100-continue", *how, path="/echo")
    assert done.stdout == upload.read_bytes()
    assert "Expect: 100-continue" in said(done, ">")
    assert [line for line in said(done, "<") if line.startswith("HTTP/")] == ["HTTP/1.1 100 Continue", "HTTP/1.1 200 OK"]


def test_curl_refused_before_it_sends(gw, up, upload):
    done = curl(gw, "-v", "--expect100-timeout", 20 * PATIENCE, "-T", upload, "-H", "Expect: 100-continue", "-w", "%{size_upload}",
                "-o", os.devnull, path="/echo", key=False)
    assert said(done, "<")[0] == "HTTP/1.1 401 Unauthorized"
    assert done.stdout == b"0" and not up.requests


def test_curl_refused_while_it_sends(gw, up, tmp_path):
    """No Expect: the body is on its way when the answer comes."""
    large = tmp_path / "large.bin"
    with open(large, "wb") as f:
        f.truncate(256 * MIB)
    began = time.monotonic()
    done = curl(gw, "-T", large, "-H", "Expect:", "-w", "\n%{http_code} %{size_upload}", path="/echo", key=False)
    body, _, tail = done.stdout.rpartition(b"\n")
    assert b'"code":"unauthenticated"' in body
    assert tail.split()[0] == b"401" and int(tail.split()[1]) < 256 * MIB
    assert time.monotonic() - began < 20 * PATIENCE and not up.requests


def test_curl_body_over_the_limit(gw, up, upload):
    for how in (), ("-H", "Transfer-Encoding: chunked"):
        done = curl(gw, "-X", "POST", "--data-binary", f"@{upload}", "-H", "Expect:", *how, "-w", "\n%{http_code}", path="/small")
        assert done.stdout.endswith(b"\n413") and b'"code":"content_too_large"' in done.stdout
    assert not up.requests, "never whole at the upstream"


def test_curl_resumes_a_download(gw, shelf, tmp_path):
    out = tmp_path / "out.bin"
    shelf.cut_after = MIB
    done = curl(gw, "-o", out, path="/file", ok=False)
    assert done.returncode in (18, 56), "a cut answer must not look whole: " + done.stderr.decode()
    assert shelf.content.startswith(out.read_bytes()) and out.stat().st_size <= MIB
    done = curl(gw, "-v", "-C", "-", "-o", out, path="/file")
    assert said(done, "<")[0] == "HTTP/1.1 206 Partial Content"
    assert out.read_bytes() == shelf.content


def test_curl_retries_by_itself(gw, shelf, up):
    shelf.echo = lambda request, conn: (503, {"Retry-After": "1"}, b"") if len(up.requests) == 1 else (200, {}, b"there")
    assert curl(gw, "--retry", 2, path="/echo").stdout.endswith(b"there")


def test_curl_n_streams(gw, shelf):
    child = subprocess.Popen(command(gw, "-N", path="/events"), stdout=subprocess.PIPE)
    try:
        for i in range(3):  # the upstream waits until this one was seen
            assert child.stdout.readline() == b"data: %d\n" % i
            assert child.stdout.readline() == b"\n"
            shelf.may_go_on.release()
        assert child.stdout.read() == b"" and child.wait(30 * PATIENCE) == 0
    finally:
        child.kill()
        child.wait()


def test_curl_ended_in_a_stream_is_noticed(gw, shelf):
    child = subprocess.Popen(command(gw, "-N", path="/events"), stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"data: 0\n"
    child.kill()
    child.wait()
    wait_until(lambda: any(line.get("close") == "client_gone" for line in gw.access_lines()), what="the record")
    shelf.may_go_on.release()


def test_curl_keeps_its_connection(gw):
    done = curl(gw, "-v", "-o", os.devnull, "-o", os.devnull, gw.url("/echo"), path="/echo?2")
    told = said(done, "*")
    assert sum("SSL connection using TLSv1.3" in line for line in told) == 1
    assert any(line.startswith("Re-using existing connection") for line in told), told


def test_curl_negotiates_what_is_spoken(gw):
    """It offers h2 first; what the gateway chooses works, and ALPN says it."""
    done = curl(gw, "-w", "%{http_version}", path="/echo", version="--http2")
    assert done.stdout in (b"1.1", b"2")


@pytest.mark.parametrize("args, wanted", [
    (("-d", "a=1", "-d", "b=2"), b"a=1&b=2"),
    (("-G", "-d", "a=1"), b""),
    (("-X", "DELETE"), b""),
    (("--json", '{"a": 1}'), b'{"a": 1}'),
    (("--compressed",), b""),
])
def test_curl_everyday(gw, args, wanted):
    assert curl(gw, *args, path="/echo").stdout == wanted


def test_curl_form(gw, upload):
    done = curl(gw, "-F", f"file=@{upload}", "-F", "purpose=test", path="/echo")
    assert upload.read_bytes() in done.stdout and b'name="purpose"\r\n\r\ntest\r\n' in done.stdout


def test_curl_http_1_0(gw):
    done = curl(gw, "-v", path="/echo", version="--http1.0")
    low = [line.lower() for line in said(done, "<")]
    assert low[0].startswith("http/1.1 200") and "connection: close" in low and "transfer-encoding: chunked" not in low


def test_curl_head(gw, shelf):
    done = curl(gw, "-I", path="/echo")
    assert done.stdout.startswith(b"HTTP/1.1 200") and b"X-Method: HEAD" in done.stdout
