"""Real daemons, real Redis, real upstreams, on loopback and in temporary folders."""
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("POSTERN_BUILD", TOP / "build/dev"))
# Sanitizers make everything slower; waits stretch, verdicts do not.
PATIENCE = 4 if BUILD.name in ("asan", "tsan") else 1


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(condition, seconds=10, what="the condition"):
    end = time.monotonic() + seconds * PATIENCE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true in {seconds * PATIENCE} s")


class UnixHTTP(http.client.HTTPConnection):
    """http.client over a Unix socket: the control socket speaks HTTP."""

    def __init__(self, path):
        super().__init__("localhost", timeout=10 * PATIENCE)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Process:
    """A child that is ended by its pid, and whose output is kept for the failure report."""

    def __init__(self, args, folder, name, **kwargs):
        self.log = pathlib.Path(folder) / f"{name}.log"
        self.out = open(self.log, "ab")
        self.child = subprocess.Popen(
            [str(a) for a in args], stdout=self.out, stderr=self.out, stdin=subprocess.DEVNULL, **kwargs
        )

    @property
    def pid(self):
        return self.child.pid

    def is_running(self):
        return self.child.poll() is None

    def stop(self, sig=signal.SIGTERM, seconds=15):
        if self.is_running():
            self.child.send_signal(sig)
        try:
            code = self.child.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise AssertionError(f"{self.log.name}: did not end after {sig}\n{self.text()[-3000:]}")
        finally:
            self.out.close()
        return code

    def text(self):
        return self.log.read_text(errors="replace")


class Gateway:
    """postern with a configuration of its own; `conf` is YAML text below server/listen/admin."""

    def __init__(self, folder, conf, env=None, listen="", server="", state=None, tls=True, log="", admin="off", workers=2):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.state = pathlib.Path(state or self.folder / "state")
        self.path = self.folder / "postern.yaml"
        self.env = dict(os.environ, **(env or {}))
        self.process = None
        self.tls = tls
        self.cert, self.key = certificate(self.folder)
        entry = listen or (
            f"  - address: 127.0.0.1:{self.port}\n"
            + (f"    tls: {{certificate: {self.cert}, key: {self.key}}}\n" if tls else "")
        )
        self.base = (
            f"server:\n  state_dir: {self.state}\n  workers: {workers}\n{server}"
            f"listen:\n{entry}"
            f"admin: {{address: '{admin}'}}\n"
            f"log: {{access: {self.folder}/access.log, audit: {self.folder}/audit.log{log}}}\n"
        )
        self.write(conf)

    def write(self, conf):
        self.path.write_text(self.base + conf)

    def start(self):
        self.process = Process([BUILD / "postern", "-c", self.path], self.folder, "postern", env=self.env)
        wait_until(self.is_ready, what=f"readiness of the gateway\n{self.process.text()}")
        return self

    def is_ready(self):
        assert self.process.is_running(), self.process.text()[-4000:]
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.control("GET", "/readyz")[0] == 200
        return False

    def control(self, method, path):
        c = UnixHTTP(self.state / "control.sock")
        c.request(method, path)
        r = c.getresponse()
        return r.status, r.read().decode()

    def reload(self):
        status, text = self.control("POST", "/reload")
        return status == 200, json.loads(text)

    def stop(self, sig=signal.SIGTERM):
        code = self.process.stop(sig)
        text = self.process.text()
        assert "Sanitizer" not in text and "broken invariant" not in text, text[-6000:]
        return code

    def ctl(self, *args, ok=True, input=None):
        done = subprocess.run(
            [BUILD / "posternctl", "-c", self.path, *[str(a) for a in args]],
            capture_output=True, text=True, timeout=60 * PATIENCE, input=input, env=self.env,
        )
        if ok:
            assert done.returncode == 0, (args, done.stdout, done.stderr)
        return done

    def user(self, name, *args):
        return json.loads(self.ctl("user", "create", name, "-o", "json", *args).stdout)

    def api_key(self, owner, *args):
        """A fresh key: (its whole text, its record)."""
        out = json.loads(self.ctl("key", "create", owner, "-o", "json", *args).stdout)
        return out["api_key"], out

    def token(self, owner, *args):
        return json.loads(self.ctl("token", "issue", owner, "-o", "json", *args).stdout)["token"]

    def client_context(self):
        context = ssl.create_default_context(cafile=str(self.cert))
        return context

    def url(self, path=""):
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}{path}"

    def connect(self, timeout=10):
        """A raw connection, TLS when the gateway has it."""
        s = socket.create_connection(("127.0.0.1", self.port), timeout=timeout * PATIENCE)
        if self.tls:
            s = self.client_context().wrap_socket(s, server_hostname="localhost")
        return s

    def request(self, method, path, headers=None, body=None, timeout=20):
        c = http.client.HTTPSConnection(
            "localhost", self.port, timeout=timeout * PATIENCE, context=self.client_context()
        ) if self.tls else http.client.HTTPConnection("localhost", self.port, timeout=timeout * PATIENCE)
        try:
            c.request(method, path, body=body, headers=headers or {})
            r = c.getresponse()
            return Answer(r.status, r.getheaders(), r.read())
        finally:
            c.close()

    def access_lines(self):
        return [json.loads(line) for line in (self.folder / "access.log").read_text().splitlines()]

    def audit_lines(self):
        return [json.loads(line) for line in (self.folder / "audit.log").read_text().splitlines()]


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.raw_headers, self.body = status, headers, body
        self.headers = {k.lower(): v for k, v in headers}

    def json(self):
        return json.loads(self.body)


_cert_lock = threading.Lock()
_cert_cache = {}


def certificate(folder, name="localhost"):
    """A self-signed certificate for name, localhost and 127.0.0.1, made once per name."""
    with _cert_lock:
        if name not in _cert_cache:
            where = pathlib.Path(tempfile.mkdtemp(prefix="postern-cert-"))
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-keyout", where / "key.pem", "-out", where / "cert.pem", "-days", "30", "-subj", f"/CN={name}",
                 "-addext", f"subjectAltName=DNS:{name},DNS:localhost,IP:127.0.0.1"],
                check=True, capture_output=True,
            )
            _cert_cache[name] = where
        cert, key = pathlib.Path(folder) / f"{name}-cert.pem", pathlib.Path(folder) / f"{name}-key.pem"
        shutil.copy(_cert_cache[name] / "cert.pem", cert)
        shutil.copy(_cert_cache[name] / "key.pem", key)
        return cert, key


class Upstream:
    """
    A scripted HTTP upstream on a thread per connection. It records every request
    (method, target, header list, body) and answers by `handler(request, connection)`,
    which may write raw bytes and return None, or return (status, headers, body).
    """

    def __init__(self, handler=None, path=None):
        self.requests = []
        self.connections = 0
        self.closed_at = {}  # request number -> when its connection was seen closed
        self.handler = handler or (lambda request, conn: echo(request))
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        if path:
            self.listener.bind(str(path))
        else:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind(("127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
        self.url = f"unix:{path}" if path else f"http://127.0.0.1:{self.port}"
        self.listener.listen(128)
        self.is_open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while self.is_open:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        conn.settimeout(60)
        try:
            with conn, conn.makefile("rb") as f:
                while True:
                    request = read_request(f)
                    if request is None:
                        return
                    request["number"] = len(self.requests)
                    self.requests.append(request)
                    answer = self.handler(request, conn)
                    if answer == "close":
                        return
                    if answer is not None:
                        conn.sendall(render(*answer))
        except (OSError, ValueError):
            pass

    def close(self):
        self.is_open = False
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def read_request(f):
    line = f.readline()
    if not line:
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    headers = []
    while (line := f.readline().rstrip(b"\r\n")):
        name, _, value = line.decode("latin-1").partition(":")
        headers.append((name, value.strip()))
    low = {k.lower(): v for k, v in headers}
    body = b""
    if low.get("transfer-encoding") == "chunked":
        while (size := int(f.readline(), 16)) > 0:
            body += f.read(size)
            f.readline()
        while f.readline().rstrip(b"\r\n"):
            pass
    elif "content-length" in low:
        body = f.read(int(low["content-length"]))
    return {"method": method, "target": target, "headers": headers, "low": low, "body": body}


def render(status, headers, body):
    head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    if not any(k.lower() in ("content-length", "transfer-encoding") for k in headers):
        head += f"Content-Length: {len(body)}\r\n"
    return head.encode("latin-1") + b"\r\n" + body


def echo(request):
    """The request as JSON: what the upstream saw."""
    body = json.dumps({
        "method": request["method"], "target": request["target"], "headers": request["headers"],
        "body": request["body"].decode("latin-1"),
    }).encode()
    return 200, {"Content-Type": "application/json"}, body


@pytest.fixture
def upstream():
    up = Upstream()
    yield up
    up.close()


@pytest.fixture
def make_upstream():
    made = []

    def make(handler=None, path=None):
        made.append(Upstream(handler, path))
        return made[-1]

    yield make
    for up in made:
        up.close()


@pytest.fixture
def make_gateway(tmp_path):
    """make_gateway(conf, ...) -> a started Gateway; all are stopped and looked through at the end."""
    made = []

    def make(conf, start=True, **kwargs):
        folder = tmp_path / f"gw{len(made)}"
        folder.mkdir()
        gw = Gateway(folder, conf, **kwargs)
        made.append(gw)
        return gw.start() if start else gw

    yield make
    codes = [gw.stop() for gw in made if gw.process is not None and gw.process.is_running()]
    assert all(code == 0 for code in codes), codes
    for gw in made:  # one that ended by itself told why
        text = gw.process.text() if gw.process is not None else ""
        assert "Sanitizer" not in text and "runtime error:" not in text and "broken invariant" not in text, text[-6000:]


class Redis:
    """A redis-server of the test's own on a Unix socket and a loopback port."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.socket = self.folder / "r.sock"
        self.process = Process(
            ["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--unixsocket", self.socket,
             "--save", "", "--appendonly", "no", "--dir", self.folder], self.folder, "redis",
        )
        self.url = f"redis://127.0.0.1:{self.port}/0"
        wait_until(lambda: self.cli("ping") == "PONG", what="redis-server")

    def cli(self, *args):
        done = subprocess.run(
            ["redis-cli", "-p", str(self.port), *[str(a) for a in args]], capture_output=True, text=True, timeout=20
        )
        return done.stdout.strip()

    def stop(self):
        if self.process.is_running():
            os.kill(self.process.pid, signal.SIGCONT)
            self.process.stop()


@pytest.fixture
def redis(tmp_path):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-redis-", dir="/tmp"))
    r = Redis(folder)
    yield r
    r.stop()
    shutil.rmtree(folder, ignore_errors=True)


def routes(up, *rows):
    """The usual ending of a configuration: one upstream named up, and these routes."""
    text = f"upstreams:\n  up: {{servers: ['{up.url}']}}\nroutes:\n"
    for row in rows or ("{path: '/**', auth: required, upstream: up}",):
        text += f"  - {row}\n"
    return text
