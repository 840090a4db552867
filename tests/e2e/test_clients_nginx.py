"""A real nginx as the upstream: what it answers arrives unchanged, and its comings and goings are not noticed."""
import gzip
import hashlib
import http.client
import os
import signal
import socket
import subprocess
import threading

import pytest
from conftest import PATIENCE, Answer, Process, free_port, routes, wait_until

MIB = 1024 * 1024
CONF = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; if_modified_since before; root {folder}/www; {temp}
  types {{ text/html html; text/plain txt; application/json json; }}
  add_header X-Conn "$connection/$connection_requests" always;
  keepalive_requests 1000000;
  server {{
    listen 127.0.0.1:{port};
    location / {{ }}
    location /zipped/ {{ alias {folder}/www/; gzip on; gzip_min_length 1; gzip_types *; gzip_vary on; }}
    location /chunked/ {{ alias {folder}/www/; sub_filter_types *; sub_filter "never there" ""; }}
    location /three/ {{ alias {folder}/www/; keepalive_requests 3; }}
    location /put/ {{ dav_methods PUT; create_full_put_path on; client_max_body_size 0; }}
    location /small/ {{ dav_methods PUT; client_max_body_size 1m; }}
    location /abrupt/ {{ dav_methods PUT; client_max_body_size 1m; lingering_close off; }}
    location = /post {{ return 200 "posted\\n"; }}
    location = /teapot {{ return 418 "short and stout\\n"; }}
    location = /moved {{ absolute_redirect off; return 301 /page.html; }}
    location = /broken {{ return 500; }}
    location = /nothing {{ return 204; }}
    location = /hangup {{ return 444; }}
    error_page 404 /404.html;
  }}
}}
"""


class Nginx:
    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        www = folder / "www"
        www.mkdir()
        (www / "page.html").write_text("<p>" + "who goes there? " * 500)
        (www / "404.html").write_text("<p>our own page for what is not there")
        (www / "data.json").write_text('{"a": [1, 2, 3]}')
        temp = " ".join(f"{kind}_temp_path {folder}/tmp;" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (folder / "nginx.conf").write_text(CONF.format(folder=folder, port=self.port, temp=temp))
        folder.chmod(0o755)
        os.chmod(www, 0o777)
        self.start()

    def start(self):
        self.process = Process(["nginx", "-p", self.folder, "-c", self.folder / "nginx.conf", "-e", self.folder / "error.log",
                                "-g", f"user {os.environ.get('USER') or 'root'};" if os.getuid() == 0 else ""],
                               self.folder, "nginx")
        wait_until(self.is_ready, 20, "nginx")

    def is_ready(self):
        assert self.process.is_running(), self.process.text() + (self.folder / "error.log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        if self.process.is_running():
            self.process.stop()

    def restart(self):
        self.stop()
        self.start()

    def request(self, method, path, headers=None, body=None):
        """Asked directly, beside the gateway."""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20 * PATIENCE)
        try:
            c.request(method, path, body=body, headers=headers or {})
            r = c.getresponse()
            return Answer(r.status, r.getheaders(), r.read())
        finally:
            c.close()


@pytest.fixture
def nginx(tmp_path):
    folder = tmp_path / "nginx"
    folder.mkdir()
    server = Nginx(folder)
    yield server
    server.stop()


@pytest.fixture
def gw(make_gateway, nginx):
    return make_gateway(routes(nginx, "{path: /**, auth: public, upstream: up}"))


@pytest.fixture
def ask(gw):
    """ask(method, path, ...) on one kept connection to the gateway."""
    c = http.client.HTTPSConnection("localhost", gw.port, timeout=30 * PATIENCE, context=gw.client_context())

    def request(method, path, headers=None, body=None):
        c.request(method, path, body=body, headers=headers or {})
        r = c.getresponse()
        return Answer(r.status, r.getheaders(), r.read())

    yield request
    c.close()


HOPS = {"connection", "keep-alive", "transfer-encoding", "date", "x-conn"}
ADDED = {"x-request-id", "x-content-type-options", "referrer-policy", "strict-transport-security"}


def essence(answer, without):
    return answer.status, sorted((k, v) for k, v in answer.raw_headers if k.lower() not in without), answer.body


CASES = [
    ("GET", "/page.html", {}, 200),
    ("GET", "/zipped/page.html", {"Accept-Encoding": "gzip"}, 200),
    ("GET", "/zipped/page.html", {"Accept-Encoding": "gzip", "Range": "bytes=0-9"}, 200),
    ("GET", "/chunked/page.html", {}, 200),
    ("GET", "/page.html", {"Range": "bytes=0-0"}, 206),
    ("GET", "/page.html", {"Range": "bytes=-5"}, 206),
    ("GET", "/page.html", {"Range": "bytes=99999-"}, 416),
    ("HEAD", "/page.html", {}, 200),
    ("HEAD", "/chunked/page.html", {}, 200),
    ("HEAD", "/absent", {}, 404),
    ("GET", "/absent", {}, 404),
    ("GET", "/broken", {}, 500),
    ("GET", "/teapot", {}, 418),
    ("GET", "/moved", {}, 301),
    ("GET", "/nothing", {}, 204),
    ("DELETE", "/page.html", {}, 405),
    ("GET", "/page.html", {"If-Modified-Since": "Fri, 01 Jan 2038 00:00:00 GMT"}, 304),
    ("GET", "/page.html", {"If-Unmodified-Since": "Fri, 01 Jan 1988 00:00:00 GMT"}, 412),
]


@pytest.mark.parametrize("method, path, headers, status", CASES, ids=[f"{c[0]}{c[1]}-{c[3]}-{i}" for i, c in enumerate(CASES)])
def test_nginx_answer_passes_unchanged(gw, nginx, method, path, headers, status):
    direct, through = nginx.request(method, path, headers), gw.request(method, path, headers)
    assert through.status == status
    assert essence(through, HOPS | ADDED) == essence(direct, HOPS)


def test_nginx_kinds_of_answer_share_a_connection(ask):
    """After each of them the framing is in order: the next answer on the connection is right."""
    for method, path, headers, status in CASES * 2:
        assert ask(method, path, headers).status == status
        assert ask("GET", "/data.json").json() == {"a": [1, 2, 3]}


def test_nginx_gzip_is_neither_undone_nor_done(gw):
    a = gw.request("GET", "/zipped/page.html", {"Accept-Encoding": "gzip"})
    assert a.headers["content-encoding"] == "gzip" and "content-length" not in a.headers
    assert gzip.decompress(a.body) == b"<p>" + b"who goes there? " * 500
    a = gw.request("GET", "/zipped/page.html")
    assert "content-encoding" not in a.headers and a.body == b"<p>" + b"who goes there? " * 500


def test_nginx_several_ranges(gw):
    a = gw.request("GET", "/page.html", {"Range": "bytes=0-2,3-7"})
    assert a.status == 206 and a.headers["content-type"].startswith("multipart/byteranges; boundary=")
    assert b"\r\n\r\n<p>\r\n--" in a.body and b"\r\n\r\nwho g\r\n--" in a.body


def test_nginx_304_with_if_none_match(gw, nginx):
    etag = gw.request("GET", "/page.html").headers["etag"]
    a = gw.request("GET", "/page.html", {"If-None-Match": etag})
    assert (a.status, a.body, a.headers["etag"]) == (304, b"", etag)
    assert "content-length" not in a.headers
    assert gw.request("GET", "/page.html", {"If-None-Match": '"other"'}).status == 200
    assert gw.request("GET", "/page.html", {"Range": "bytes=0-2", "If-Range": etag}).status == 206
    assert gw.request("GET", "/page.html", {"Range": "bytes=0-2", "If-Range": '"other"'}).status == 200


def test_nginx_head_says_the_length(gw):
    a = gw.request("HEAD", "/page.html")
    assert (a.headers["content-length"], a.body) == (str(3 + 16 * 500), b"")


def test_nginx_connection_is_reused(ask):
    used = [ask("POST" if i % 3 == 0 else "GET", "/post").headers["x-conn"] for i in range(30)]
    connections = {conn.split("/")[0] for conn in used}
    assert len(connections) == 1 and used[-1].endswith("/30"), used


def test_nginx_that_closes_after_some_requests(ask):
    for _ in range(20):
        a = ask("GET", "/three/data.json")
        assert a.status == 200 and a.json() == {"a": [1, 2, 3]}


def test_nginx_large_download(gw, nginx):
    digest = hashlib.sha256()
    with open(nginx.folder / "www/large.bin", "wb") as f:
        for _ in range(100):
            piece = os.urandom(MIB)
            digest.update(piece)
            f.write(piece)
    got, seen = hashlib.sha256(), 0
    c = http.client.HTTPSConnection("localhost", gw.port, timeout=30 * PATIENCE, context=gw.client_context())
    c.request("GET", "/large.bin")
    r = c.getresponse()
    assert r.getheader("content-length") == str(100 * MIB)
    while piece := r.read(MIB):
        got.update(piece)
        seen += len(piece)
    c.close()
    assert (seen, got.digest()) == (100 * MIB, digest.digest())


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_nginx_upload(gw, nginx, framing):
    content = os.urandom(5 * MIB)
    pieces = [content[i:i + 65536] for i in range(0, len(content), 65536)]
    a = gw.request("PUT", f"/put/{framing}.bin", body=content if framing == "length" else iter(pieces))
    assert a.status == 201
    assert (nginx.folder / f"www/put/{framing}.bin").read_bytes() == content


def upload_until_refused(gw, path, framing):
    """Sends 64 MiB as fast as the gateway takes it, and reads; returns (the answer's bytes, what was sent)."""
    piece = b"x" * 65536
    announced = f"Content-Length: {64 * MIB}" if framing == "length" else "Transfer-Encoding: chunked"
    if framing == "chunked":
        piece = b"%x\r\n%s\r\n" % (len(piece), piece)
    with gw.connect(30) as s:
        s.sendall(f"PUT {path} HTTP/1.1\r\nHost: localhost\r\n{announced}\r\n\r\n".encode())
        answered, sent = threading.Event(), [0]

        def send():
            try:
                while sent[0] < 64 * MIB and not answered.is_set():
                    s.sendall(piece)
                    sent[0] += len(piece)
            except OSError:
                pass

        sender = threading.Thread(target=send)
        sender.start()
        data = b""
        try:
            while b"</html>" not in data:
                got = s.recv(65536)
                if not got:
                    break
                data += got
        finally:
            answered.set()
            sender.join(30 * PATIENCE)
        return data, sent[0]


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("path", ["/small/x.bin", "/abrupt/x.bin"])
def test_nginx_413_reaches_a_client_that_is_uploading(gw, path, framing):
    data, sent = upload_until_refused(gw, path, framing)
    assert data.startswith(b"HTTP/1.1 413 ") and data.rstrip().endswith(b"</html>"), data[:300]
    assert sent < 64 * MIB, "the upload went on to its end"
    assert gw.request("GET", "/data.json").status == 200


def test_nginx_hanging_up_is_502(gw):
    a = gw.request("GET", "/hangup")
    assert a.status == 502 and a.json()["error"]["code"] == "bad_gateway"


def test_nginx_restarted_in_between(ask, nginx):
    for _ in range(5):
        for method, path, body in ("GET", "/data.json", None), ("POST", "/post", b"x" * 1000), ("PUT", "/put/a", b"y"):
            assert ask(method, path, body=body).status in (200, 201, 204)
            nginx.restart()
            assert ask(method, path, body=body).status in (200, 201, 204)


def test_nginx_down_and_back(ask, nginx):
    assert ask("GET", "/data.json").status == 200
    nginx.stop()
    for _ in range(10):
        a = ask("GET", "/data.json")
        assert a.status in (502, 503) and a.json()["error"]["type"] == "api_error"
    nginx.start()
    for _ in range(10):
        assert ask("GET", "/data.json").status == 200, "back as soon as it is back"


def test_nginx_reloads_under_load_without_a_failed_read(gw, nginx):
    """Each reload closes idle kept connections while requests are on their way."""
    end, statuses = threading.Event(), []

    def load():
        c = http.client.HTTPSConnection("localhost", gw.port, timeout=30 * PATIENCE, context=gw.client_context())
        while not end.is_set():
            c.request("GET", "/data.json")
            r = c.getresponse()
            r.read()
            statuses.append(r.status)
        c.close()

    threads = [threading.Thread(target=load) for _ in range(4)]
    for t in threads:
        t.start()
    try:
        for _ in range(10):
            seen = len(statuses)
            nginx.process.child.send_signal(signal.SIGHUP)
            wait_until(lambda: len(statuses) > seen + 50, 20, "traffic after a reload")
    finally:
        end.set()
        for t in threads:
            t.join(30 * PATIENCE)
    assert set(statuses) == {200}, {s: statuses.count(s) for s in set(statuses)}
