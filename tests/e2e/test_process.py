"""The daemon itself: reload, drain, limits, CORS, the admin listener, TLS, configuration mistakes."""
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest
from conftest import BUILD, PATIENCE, free_port, routes, wait_until

PUBLIC = "{path: '/**', auth: public, upstream: up}"


def test_bad_reload_keeps_the_old_configuration(make_gateway, upstream):
    gw = make_gateway(routes(upstream, PUBLIC))
    gw.write("routes:\n  - {path: /x, upstream: nowhere}\n")
    ok, answer = gw.reload()
    assert not ok and f"{gw.path}:" in answer["complaints"] and "nowhere" in answer["complaints"]
    assert gw.request("GET", "/still").status == 200
    gw.write(routes(upstream, "{path: /only, auth: public, upstream: up}"))
    assert gw.reload()[0]
    wait_until(lambda: gw.request("GET", "/still").status == 404, 3, "the new routes")
    assert gw.request("GET", "/only").status == 200


def test_reload_by_signal_under_load_loses_nothing(make_gateway, upstream):
    gw = make_gateway(routes(upstream, PUBLIC))
    bad, done = [], threading.Event()

    def load():
        while not done.is_set():
            try:
                if gw.request("GET", "/x").status != 200:
                    bad.append("status")
            except OSError as e:
                bad.append(repr(e))

    threads = [threading.Thread(target=load) for _ in range(3)]
    [t.start() for t in threads]
    for _ in range(5):
        os.kill(gw.process.pid, signal.SIGHUP)
        time.sleep(0.2)
    done.set()
    [t.join() for t in threads]
    assert not bad


def test_drain_finishes_what_is_in_flight(make_gateway, make_upstream):
    def slow(request, conn):
        time.sleep(0.7)
        return 200, {}, b"finished"

    gw = make_gateway(routes(make_upstream(slow), PUBLIC))
    got = []
    t = threading.Thread(target=lambda: got.append(gw.request("GET", "/slow").body))
    t.start()
    time.sleep(0.3)
    began = time.monotonic()
    assert gw.stop() == 0
    t.join()
    assert got == [b"finished"] and time.monotonic() - began < 5 * PATIENCE


@pytest.mark.parametrize("again", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_while_it_closes_change_nothing_about_its_end(make_gateway, upstream, again):
    gw = make_gateway(routes(upstream, PUBLIC))
    child = gw.process.child
    child.send_signal(signal.SIGTERM)
    end = time.monotonic() + 15 * PATIENCE
    while child.poll() is None and time.monotonic() < end:
        child.send_signal(again)
        time.sleep(0.0005)
    assert gw.stop() == 0
    assert [line["event"] for line in gw.audit_lines()][-1] == "process.stopped"


def test_configuration_mistakes_stop_the_start(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("server: {wrokers: 2}\nlisten:\n  - {address: '127.0.0.1:1', tls: {certificate: a}}\n"
                    "routes:\n  - {path: /x, upstream: up, auth: maybe}\n")
    for args in ["-t", "-c", path], ["-c", path]:
        done = subprocess.run([BUILD / "postern", *args], capture_output=True, text=True, timeout=30)
        assert done.returncode == 1
        for line, word in ((1, "workers"), (5, "auth")):
            assert any(l.startswith(f"{path}:{line}:") and word in l for l in done.stderr.splitlines()), done.stderr


@pytest.mark.parametrize("listen", ["", "listen: []\n", "listen:\n"])
def test_nothing_to_listen_on_is_a_mistake(tmp_path, listen):
    path = tmp_path / "deaf.yaml"
    path.write_text(f"server: {{state_dir: {tmp_path}/state}}\n{listen}")
    for args in [BUILD / "postern", "-t", "-c", path], [BUILD / "postern", "-c", path], [BUILD / "posternctl", "config", "check", path]:
        done = subprocess.run(args, capture_output=True, text=True, timeout=30)
        assert done.returncode != 0 and f"{path}: error: nothing is listened on" in done.stderr, (args, done)
    assert not (tmp_path / "state").exists(), "refused before anything was made"


def test_o6_admin_listener(make_gateway, upstream):
    port = free_port()
    gw = make_gateway(routes(upstream, PUBLIC), admin=f"127.0.0.1:{port}")
    gw.request("GET", "/x")
    import urllib.request
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    assert "postern_build_info" in text and "# TYPE postern_connections_total counter" in text
    assert urllib.request.urlopen(f"http://127.0.0.1:{port}/livez").status == 200
    assert b"ok" in urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz?verbose").read()
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/config")
    assert gw.request("GET", "/metrics").json()["target"] == "/metrics", "the public listener forwards it like any path"


def test_o5_control_socket_is_the_owners(make_gateway, upstream):
    gw = make_gateway(routes(upstream, PUBLIC))
    assert os.stat(gw.state / "control.sock").st_mode & 0o077 == 0
    assert os.stat(gw.state / "master.key").st_mode & 0o077 == 0
    assert os.stat(gw.state).st_mode & 0o077 == 0


@pytest.mark.parametrize("kind", ["gcra", "sliding"])
def test_limit_is_exact_over_two_daemons(make_gateway, upstream, redis, kind):
    conf = (f"redis: {{url: '{redis.url}'}}\nlimits:\n  default: {{key: user, rate: [20/min], kind: {kind}}}\n" + routes(upstream))
    a = make_gateway(conf)
    b = make_gateway(conf, env={"POSTERN_AUTH__MASTER_KEY": (a.state / "master.key").read_text().strip()})
    a.user("alice")
    key, _ = a.api_key("alice")
    wait_until(lambda: b.request("GET", "/x", {"X-API-Key": "sk_x"}).status == 401)
    statuses, lock = [], threading.Lock()

    def hit(gw):
        for _ in range(15):
            answer = gw.request("GET", "/x", {"X-API-Key": key})
            with lock:
                statuses.append(answer)

    threads = [threading.Thread(target=hit, args=(gw,)) for gw in (a, b, a, b)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    admitted = [s for s in statuses if s.status == 200]
    refused = [s for s in statuses if s.status == 429]
    # GCRA refills one every three seconds; the run takes less than a minute.
    assert len(admitted) + len(refused) == 60
    assert 20 <= len(admitted) <= 20 + (5 * PATIENCE if kind == "gcra" else 0)
    assert int(refused[0].headers["retry-after"]) >= 1
    assert admitted[0].headers["x-ratelimit-limit"] == "20" and "ratelimit" in admitted[0].headers
    assert refused[0].json()["error"]["type"] == "rate_limit_error"


def test_cors_is_answered_here(make_gateway, upstream):
    gw = make_gateway("cors: {origins: ['https://app.example']}\n" + routes(upstream))
    pre = gw.request("OPTIONS", "/x", {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"})
    assert pre.status == 204 and pre.headers["access-control-allow-origin"] == "https://app.example"
    assert gw.request("OPTIONS", "/x", {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}).status == 403
    assert not upstream.requests
    assert gw.request("GET", "/x", {"Origin": "https://app.example"}).headers["access-control-allow-origin"] == "https://app.example"


def test_security_headers_and_request_id(make_gateway, upstream):
    gw = make_gateway(routes(upstream, PUBLIC))
    a = gw.request("GET", "/x", {"X-Request-Id": "mine-12345678"})
    assert a.headers["x-content-type-options"] == "nosniff" and "max-age=" in a.headers["strict-transport-security"]
    seen = dict((k.lower(), v) for k, v in a.json()["headers"])
    assert seen["x-request-id"] == a.headers["x-request-id"] != "mine-12345678"
    wait_until(lambda: [l for l in gw.access_lines() if l["request_id"] == a.headers["x-request-id"]], 3, "the log line")


def test_trusted_proxy_is_believed(make_gateway, upstream):
    gw = make_gateway(routes(upstream, PUBLIC), server="  trusted_proxies: [127.0.0.1]\n")
    a = gw.request("GET", "/x", {"X-Forwarded-For": "1.1.1.1, 9.9.9.9", "X-Request-Id": "mine-12345678"})
    seen = dict((k.lower(), v) for k, v in a.json()["headers"])
    assert seen["x-forwarded-for"] == "9.9.9.9" and seen["x-request-id"] == "mine-12345678"
    assert gw.request("GET", "/x", {"X-Forwarded-For": "1.1.1.1, nonsense"}).status == 400


@pytest.mark.parametrize("mode,status", [("simple", 200), ("dev", 200), ("enforced", 401)])
def test_modes(make_gateway, upstream, mode, status):
    gw = make_gateway(f"auth: {{mode: {mode}}}\n" + routes(upstream, "{path: /x, upstream: up}", "{path: /admin, roles: [admin], upstream: up}"))
    a = gw.request("GET", "/x")
    assert a.status == status
    assert gw.request("GET", "/admin").status in (401, 403)
    if mode == "dev":
        assert dict((k.lower(), v) for k, v in a.json()["headers"])["x-user-id"] == "dev"


def test_tls_versions_and_reload_of_the_certificate(make_gateway, upstream):
    gw = make_gateway(routes(upstream, PUBLIC))

    def handshake(**limits):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        for name, value in limits.items():
            setattr(context, name, value)
        with socket.create_connection(("127.0.0.1", gw.port), timeout=10) as s, context.wrap_socket(s, server_hostname="localhost") as t:
            return t.version(), t.getpeercert(True)

    assert handshake()[0] == "TLSv1.3"
    assert handshake(maximum_version=ssl.TLSVersion.TLSv1_2)[0] == "TLSv1.2"
    before = handshake()[1]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", gw.key,
                    "-out", gw.cert, "-days", "9", "-subj", "/CN=new", "-addext", "subjectAltName=DNS:localhost"],
                   check=True, capture_output=True)
    assert gw.reload()[0]
    wait_until(lambda: handshake()[1] != before, 3, "the new certificate")


def test_plain_garbage_and_slow_heads_end(make_gateway, upstream):
    gw = make_gateway(routes(upstream, PUBLIC), tls=False, server="  head_timeout: 500ms\n  keepalive_timeout: 700ms\n")
    with gw.connect() as s:
        s.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert s.recv(1000).startswith(b"HTTP/1.1 400 ")
    with gw.connect() as s:
        s.sendall(b"GET / HT")
        assert s.recv(1000).startswith(b"HTTP/1.1 408 ")
    with gw.connect() as s:
        s.settimeout(5 * PATIENCE)
        assert s.recv(1000) == b"", "an idle connection is closed"


def test_f12_proxy_protocol(make_gateway, upstream):
    port = free_port()
    entry = f"  - {{address: '127.0.0.1:{port}', proxy_protocol: true}}\n"
    gw = make_gateway(routes(upstream, PUBLIC), listen=entry, tls=False, server="  trusted_proxies: [127.0.0.1]\n")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        s.sendall(b"PROXY TCP4 203.0.113.9 10.0.0.1 1234 443\r\nGET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        data = b""
        while piece := s.recv(65536):
            data += piece
    assert b'["x-forwarded-for", "203.0.113.9"]' in data.lower()


def test_the_service_manager_is_told(make_gateway, upstream, tmp_path):
    where = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(str(where))
        s.settimeout(10 * PATIENCE)
        gw = make_gateway(routes(upstream, PUBLIC), env={"NOTIFY_SOCKET": str(where)})
        heard = [s.recv(4096).decode()]
        os.kill(gw.process.pid, signal.SIGHUP)
        while not heard[-1].startswith("READY=1") or len(heard) < 3:
            heard.append(s.recv(4096).decode())
        assert any(h.startswith("RELOADING=1") for h in heard)
        gw.stop()
        while "STOPPING=1" not in heard:
            heard.append(s.recv(4096).decode())


def test_f12_a_proxy_that_is_no_longer_trusted_is_not_believed_after_a_reload(make_gateway, upstream):
    port = free_port()
    entry = f"  - {{address: '127.0.0.1:{port}', proxy_protocol: true}}\n"
    gw = make_gateway(routes(upstream, PUBLIC), listen=entry, tls=False, server="  trusted_proxies: [127.0.0.1]\n")

    def first_line():
        with socket.create_connection(("127.0.0.1", port), timeout=10 * PATIENCE) as s:
            s.sendall(b"PROXY TCP4 203.0.113.9 10.0.0.1 1234 443\r\nGET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return s.recv(4096).split(b"\r\n")[0]

    assert b" 200 " in first_line()
    gw.base = gw.base.replace("[127.0.0.1]", "[192.0.2.1]")
    gw.write(routes(upstream, PUBLIC))
    assert gw.reload()[0]
    wait_until(lambda: b" 400 " in first_line(), what="the new list of proxies")


def test_quick_runs_in_a_folder_whose_name_yaml_would_misread(upstream, tmp_path):
    folder, port = tmp_path / "a: b, c} #d", free_port()
    with open(tmp_path / "out", "w") as out:
        child = subprocess.Popen([BUILD / "postern", "quick", upstream.url, "--listen", f"127.0.0.1:{port}", "--state", folder], stdout=out, stderr=out)
    try:
        wait_until(lambda: "API key" in (tmp_path / "out").read_text(), what="the greeting")
        key = next(line.split()[2] for line in (tmp_path / "out").read_text().splitlines() if "API key" in line)
        context = ssl.create_default_context(cafile=str(folder / "cert.pem"))
        c = http.client.HTTPSConnection("localhost", port, timeout=10 * PATIENCE, context=context)
        c.request("GET", "/x", headers={"X-API-Key": key})
        assert c.getresponse().status == 200
    finally:
        child.terminate()
        assert child.wait(20 * PATIENCE) == 0, (tmp_path / "out").read_text()
