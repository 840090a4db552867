"""Upstreams over TLS, Unix sockets and IPv6, before a real nginx."""
import contextlib
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile

import pytest
from conftest import PATIENCE, Process, Upstream, certificate, free_port, wait_until

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin") or ""
pytestmark = pytest.mark.skipif(not NGINX, reason="needs nginx")


def run(*args, **kwargs):
    subprocess.run([str(a) for a in args], check=True, capture_output=True, **kwargs)


class Authority:
    """A certificate authority of the test's own, and what it signs."""

    def __init__(self, folder, name="ca"):
        self.folder = pathlib.Path(folder)
        self.cert, self.key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key,
            "-out", self.cert, "-days", "30", "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, name, san=None, expired=False):
        cert, key, csr = (self.folder / f"{name}.{end}" for end in ("pem", "key", "csr"))
        run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", csr,
            "-subj", f"/CN={name}")
        extra = self.folder / f"{name}.ext"
        extra.write_text(f"subjectAltName={san or 'DNS:' + name}\n")
        # `x509 -req` has no start date in OpenSSL 3.0; `ca` has.
        base = self.folder / f"{name}-db"
        base.mkdir()
        (base / "index").write_text("")
        (base / "conf").write_text(
            f"[ca]\ndefault_ca=d\n[d]\ndatabase={base}/index\nnew_certs_dir={base}\nrand_serial=yes\ndefault_md=sha256\n"
            "policy=p\nunique_subject=no\n[p]\ncommonName=supplied\n")
        now = datetime.datetime.now(datetime.timezone.utc)
        days = (-20, -10) if expired else (-1, 10)
        begin, end = ((now + datetime.timedelta(days=d)).strftime("%Y%m%d%H%M%SZ") for d in days)
        run("openssl", "ca", "-batch", "-config", base / "conf", "-cert", self.cert, "-keyfile", self.key, "-in", csr, "-out", cert,
            "-startdate", begin, "-enddate", end, "-extfile", extra, "-notext")
        return cert, key


@pytest.fixture(scope="module")
def pki():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-pki-"))
    yield Authority(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def certs(pki):
    other = Authority(pki.folder, "stranger")
    return {
        "good": pki.issue("ml.test", "DNS:ml.test,DNS:*.wild.test"),
        "address": pki.issue("address", "IP:127.0.0.1,IP:::1"),
        "expired": pki.issue("old.test", expired=True),
        "stranger": other.issue("elsewhere", "DNS:ml.test"),
        "client": pki.issue("postern"),
        "self": certificate(pki.folder, "self.test"),
        "stranger-client": other.issue("mallory"),
    }


class Nginx:
    """nginx with one TLS server of ours per name; each answers what it knows of the connection as JSON."""

    def __init__(self, folder, servers):
        self.folder = pathlib.Path(folder)
        self.conf = self.folder / "nginx.conf"
        body = ('{"sni":"$ssl_server_name","host":"$http_host","protocol":"$ssl_protocol","reused":"$ssl_session_reused",'
                '"client":"$ssl_client_s_dn","verified":"$ssl_client_verify","user":"$http_x_user_id"}')
        text = (f"daemon off; master_process off; pid {self.folder}/pid; error_log {self.folder}/error.log;\n"
                "events {}\nhttp {\n access_log off;\n"
                + "".join(f" {k}_temp_path {self.folder}/{k};\n" for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")))
        for listen, lines in servers:
            text += (f" server {{ listen {listen}; {lines} location / {{ default_type application/json; return 200 '{body}'; }} "
                     f"location /bytes {{ alias {self.folder}/bytes; }} }}\n")
        self.conf.write_text(text + "}\n")
        (self.folder / "bytes").write_bytes(b"0123456789abcdef" * (1 << 18))
        self.process = Process([NGINX, "-c", self.conf, "-p", self.folder, "-e", self.folder / "error.log"], self.folder, "nginx")

    def wait(self, port, family=socket.AF_INET):
        def is_up():
            assert self.process.is_running(), self.process.text() + (self.folder / "error.log").read_text()
            with socket.socket(family) as s:
                return s.connect_ex(("::1" if family == socket.AF_INET6 else "127.0.0.1", port)) == 0
        wait_until(is_up, what="nginx")
        return self


@pytest.fixture
def nginx(tmp_path):
    made = []

    def make(*servers, port, family=socket.AF_INET):
        folder = tmp_path / f"nginx{len(made)}"
        folder.mkdir()
        made.append(Nginx(folder, servers))
        return made[-1].wait(port, family)

    yield make
    for n in made:
        n.process.stop(signal.SIGTERM)


def tls(pair, more=""):
    return f"ssl_certificate {pair[0]}; ssl_certificate_key {pair[1]}; {more}"


def conf(url, tls_lines="", more=""):
    return (f"upstreams:\n  up:\n    servers: ['{url}']\n" + (f"    tls: {{{tls_lines}}}\n" if tls_lines else "") + more
            + "routes:\n  - {path: '/**', auth: public, upstream: up}\n")


def last_line(gw, path):
    return wait_until(lambda: [a for a in gw.access_lines() if a.get("path") == path], what=f"the line of {path}")[-1]


@pytest.fixture
def behind(make_gateway, nginx, pki):
    """behind(certificate, name) -> a gateway before nginx with that certificate, asked for under that name."""
    def make(pair, name, tls_lines=None, server=""):
        port = free_port()
        nginx((f"127.0.0.1:{port} ssl", tls(pair, server)), port=port)
        lines = tls_lines if tls_lines is not None else f"ca: {pki.cert}" + (f", server_name: {name}" if name else "")
        gw = make_gateway(conf(f"https://127.0.0.1:{port}", lines))
        gw.upstream_port = port
        return gw
    return make


# ------- whom we believe -------

def test_certificate_of_our_authority_is_believed_and_the_name_is_asked_for(behind, certs):
    gw = behind(certs["good"], "ml.test")
    a = gw.request("GET", "/x")
    assert a.status == 200, a.body
    assert a.json()["sni"] == "ml.test" and a.json()["protocol"] in ("TLSv1.2", "TLSv1.3")
    assert a.json()["host"] == f"localhost:{gw.port}"  # the client's, as on a plain upstream


def test_wildcard_covers_one_label(behind, certs):
    assert behind(certs["good"], "a.wild.test").request("GET", "/x").status == 200
    gw = behind(certs["good"], "a.b.wild.test")
    assert gw.request("GET", "/x").status == 502


def test_address_is_verified_as_an_address_and_never_sent_as_a_name(behind, certs):
    a = behind(certs["address"], "").request("GET", "/x")
    assert a.status == 200 and a.json()["sni"] == ""


REFUSED = {
    "wrong name": ("good", "other.test", "hostname mismatch"),
    "name for an address": ("good", "", "IP address mismatch"),
    "expired": ("expired", "old.test", "certificate has expired"),
    "strange authority": ("stranger", "ml.test", "unable to get local issuer certificate"),
    "signed by itself": ("self", "self.test", "self-signed certificate"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_certificate_is_refused_and_the_log_says_why(behind, certs, why):
    which, name, text = REFUSED[why]
    gw = behind(certs[which], name)
    for i in range(3):
        a = gw.request("GET", f"/secret/{i}", {"X-Test": "1"})
        assert a.status == 502 and a.json()["error"]["code"] == "bad_gateway"
        assert text.encode() not in a.body  # for us, not for the client
    line = last_line(gw, "/secret/0")
    assert line["reason"] in (f"tls: {text}", f"tls: {text.replace('self-signed', 'self signed')}")
    assert line["upstream"] == f"127.0.0.1:{gw.upstream_port}"
    ejected = [t for t in gw.process.text().splitlines() if "upstream.server_ejected" in t]
    assert len(ejected) == 1 and text in ejected[0]


def test_system_authorities_do_not_know_ours(behind, certs):
    assert behind(certs["good"], "", tls_lines="server_name: ml.test").request("GET", "/x").status == 502


def test_verify_false_takes_any(behind, certs):
    a = behind(certs["self"], "", tls_lines="verify: false, server_name: any.test").request("GET", "/x")
    assert a.status == 200 and a.json()["sni"] == "any.test"


def test_plain_server_behind_https_is_502(make_gateway, nginx, pki):
    port = free_port()
    nginx((f"127.0.0.1:{port}", ""), port=port)
    gw = make_gateway(conf(f"https://127.0.0.1:{port}", f"ca: {pki.cert}"))
    assert gw.request("GET", "/x").status == 502
    assert last_line(gw, "/x")["reason"] == "tls: wrong version number"


def test_tls_server_behind_http_is_not_mistaken_for_an_answer(make_gateway, nginx, certs):
    port = free_port()
    nginx((f"127.0.0.1:{port} ssl", tls(certs["good"])), port=port)
    a = make_gateway(conf(f"http://127.0.0.1:{port}")).request("GET", "/x")
    assert a.status == 400 and b"plain HTTP request was sent to HTTPS port" in a.body  # nginx's own answer


def test_old_protocols_are_not_spoken(make_gateway, certs, pki):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certs["good"])
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    up = TlsUpstream(context)
    gw = make_gateway(conf(f"https://127.0.0.1:{up.port}", f"ca: {pki.cert}, server_name: ml.test"))
    assert gw.request("GET", "/x").status == 502
    assert last_line(gw, "/x")["reason"].startswith("tls: ")
    up.close()


# ------- who we are -------

def test_client_certificate_is_shown_and_its_absence_is_nginx_s_to_refuse(make_gateway, nginx, certs, pki):
    port = free_port()
    nginx((f"127.0.0.1:{port} ssl", tls(certs["good"], f"ssl_client_certificate {pki.cert}; ssl_verify_client on;")), port=port)

    def ask(name):
        pair = f", certificate: {certs[name][0]}, key: {certs[name][1]}" if name else ""
        return make_gateway(conf(f"https://127.0.0.1:{port}", f"ca: {pki.cert}, server_name: ml.test{pair}")).request("GET", "/x")

    a = ask("client")
    assert a.status == 200 and a.json()["client"] == "CN=postern" and a.json()["verified"] == "SUCCESS"
    assert ask(None).status == 400      # "No required SSL certificate was sent"
    assert ask("stranger-client").status == 400


def test_client_certificate_that_tls_itself_demands(make_gateway, certs, pki):
    """Without one the server breaks the handshake off; the client gets 502 and the log the alert."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certs["good"])
    context.load_verify_locations(pki.cert)
    context.verify_mode = ssl.CERT_REQUIRED
    up = TlsUpstream(context)
    base = f"ca: {pki.cert}, server_name: ml.test"
    gw = make_gateway(conf(f"https://127.0.0.1:{up.port}", base))
    assert gw.request("GET", "/x").status == 502
    reason = last_line(gw, "/x")["reason"]
    assert reason.startswith("tls: ") and "certificate required" in reason, reason
    gw = make_gateway(conf(f"https://127.0.0.1:{up.port}", base + f", certificate: {certs['client'][0]}, key: {certs['client'][1]}"))
    assert gw.request("GET", "/x").status == 200
    up.close()


def test_key_that_does_not_fit_refuses_the_configuration(behind, certs, pki):
    gw = behind(certs["good"], "ml.test")
    text = gw.path.read_text()
    gw.path.write_text(text.replace(f"ca: {pki.cert}", f"ca: {pki.cert}, certificate: {certs['client'][0]}, key: {certs['good'][1]}"))
    taken, answer = gw.reload()
    assert not taken and str(certs["good"][1]) in answer["complaints"]
    assert gw.request("GET", "/x").status == 200


def test_authority_is_read_again_at_reload(make_gateway, nginx, certs, pki, tmp_path):
    port, file = free_port(), tmp_path / "authorities.pem"
    shutil.copy(certs["self"][0], file)
    nginx((f"127.0.0.1:{port} ssl", tls(certs["good"])), port=port)
    gw = make_gateway(conf(f"https://127.0.0.1:{port}", f"ca: {file}, server_name: ml.test"))
    assert gw.request("GET", "/x").status == 502
    shutil.copy(pki.cert, file)
    assert gw.reload()[0]
    assert gw.request("GET", "/x").status == 200
    shutil.copy(certs["self"][0], file)
    assert gw.reload()[0]
    assert gw.request("GET", "/x").status == 502, "a kept connection or session outlived its authority"


# ------- bytes -------

@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_large_answers_and_bodies_pass_and_sessions_resume(make_gateway, nginx, certs, pki, version):
    port = free_port()
    nginx((f"127.0.0.1:{port} ssl", tls(certs["good"], f"ssl_protocols {version}; ssl_session_cache shared:a:1m; keepalive_timeout 0;")),
          port=port)
    gw = make_gateway(conf(f"https://127.0.0.1:{port}", f"ca: {pki.cert}, server_name: ml.test"))
    a = gw.request("GET", "/bytes")
    assert a.status == 200 and a.body == b"0123456789abcdef" * (1 << 18)
    seen = [gw.request("GET", f"/{i}").json() for i in range(6)]
    assert {s["protocol"] for s in seen} == {version}
    assert any(s["reused"] == "r" for s in seen), seen


def test_t5_sessions_are_kept_by_name(make_gateway, nginx, certs, pki):
    """A session of one name is never offered under another one, to the same address."""
    port = free_port()
    cache = "ssl_session_cache shared:a:1m; ssl_session_tickets on; keepalive_timeout 0;"
    nginx((f"127.0.0.1:{port} ssl", tls(certs["good"], cache)), port=port)
    text = "upstreams:\n"
    for group, name in ("a", "a.wild.test"), ("b", "b.wild.test"):
        text += (f"  {group}: {{servers: ['https://127.0.0.1:{port}'], tls: {{ca: {pki.cert}, server_name: {name}}}}}\n")
    text += "routes:\n  - {path: /a, auth: public, upstream: a}\n  - {path: /b, auth: public, upstream: b}\n"
    gw = make_gateway(text)
    for _ in range(3):
        assert gw.request("GET", "/a").json()["sni"] == "a.wild.test"
    b = gw.request("GET", "/b").json()
    assert b["sni"] == "b.wild.test" and b["reused"] == "."


class TlsUpstream(Upstream):
    def __init__(self, context, handler=None):
        self.context = context
        super().__init__(handler)

    def _serve(self, conn):
        conn.settimeout(30 * PATIENCE)
        conn = self.context.wrap_socket(conn, server_side=True, do_handshake_on_connect=False)
        try:
            conn.do_handshake()
        except OSError:  # the alert is out; a close now would take it back
            conn.setblocking(True)
            with conn, contextlib.suppress(OSError):
                while os.read(conn.fileno(), 65536):
                    pass
            return
        super()._serve(conn)


@pytest.fixture
def tls_upstream(certs):
    made = []

    def make(handler=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certs["good"])
        made.append(TlsUpstream(context, handler))
        return made[-1]

    yield make
    for up in made:
        up.close()


def test_connections_are_kept_over_tls_too(make_gateway, tls_upstream, pki):
    up = tls_upstream()
    gw = make_gateway(conf(f"https://127.0.0.1:{up.port}", f"ca: {pki.cert}, server_name: ml.test"))
    for i in range(12):
        assert gw.request("POST", f"/{i}", body=b"x" * 100000).json()["body"] == "x" * 100000
    assert up.connections <= 2


def test_g12_answer_until_close_needs_close_notify(make_gateway, tls_upstream, pki):
    """Cut off by somebody on the wire: never passed on as whole."""
    def handler(request, conn):
        conn.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")
        if request["target"] == "/whole":
            conn.unwrap()
        else:
            conn.shutdown(socket.SHUT_RDWR)
        return "close"

    gw = make_gateway(conf(f"https://127.0.0.1:{tls_upstream(handler).port}", f"ca: {pki.cert}, server_name: ml.test"), tls=False)

    def ask(path):
        with gw.connect() as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            data = b""
            while not data.endswith(b"0\r\n\r\n"):
                piece = s.recv(65536)
                if not piece:
                    return data, False
                data += piece
            return data, True
    assert ask("/whole")[1]
    data, is_whole = ask("/cut")
    assert b"half of it" in data and not is_whole
    assert last_line(gw, "/cut")["close"] == "upstream_broke"


def test_health_is_asked_over_tls_and_says_what_is_wrong(make_gateway, nginx, certs, pki):
    port = free_port()
    nginx((f"127.0.0.1:{port} ssl", tls(certs["expired"])), port=port)
    gw = make_gateway(conf(f"https://127.0.0.1:{port}", f"ca: {pki.cert}, server_name: old.test",
                           "    health: {path: /h, interval: 100ms, fall: 2}\n"))
    wait_until(lambda: "upstream.server_down" in gw.process.text(), what="the check's verdict")
    assert re.search(r"upstream\.server_down.*tls: certificate has expired", gw.process.text())
    assert gw.request("GET", "/x").status == 503


# ------- other roads -------

def test_nginx_on_a_unix_socket(make_gateway, nginx, tmp_path):
    port, path = free_port(), tmp_path / "n.sock"
    nginx((f"unix:{path}", ""), (f"127.0.0.1:{port}", ""), port=port)
    gw = make_gateway(conf(f"unix:{path}"))
    a = gw.request("GET", "/x", {"X-User-Id": "mallory"})
    assert a.status == 200 and a.json()["user"] == ""
    assert len(gw.request("GET", "/bytes").body) == 16 << 18
    assert last_line(gw, "/x")["upstream"] == f"unix:{path}"


def test_unix_socket_that_is_not_there_yet(make_gateway, make_upstream, tmp_path):
    path = tmp_path / "late.sock"
    gw = make_gateway(conf(f"unix:{path}", more="    health: {eject: 0s}\n"))
    assert gw.request("GET", "/x").status == 502
    make_upstream(path=path)
    assert gw.request("GET", "/x").status == 200


def has_ipv6():
    with socket.socket(socket.AF_INET6) as s:
        try:
            s.bind(("::1", 0))
        except OSError:
            return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_ipv6(make_gateway, nginx, certs, pki, scheme):
    port = free_port()
    nginx((f"[::1]:{port}" + (" ssl" if scheme == "https" else ""), tls(certs["address"]) if scheme == "https" else ""),
          port=port, family=socket.AF_INET6)
    gw = make_gateway(conf(f"{scheme}://[::1]:{port}", f"ca: {pki.cert}" if scheme == "https" else ""))
    a = gw.request("GET", "/x")
    assert a.status == 200, a.body
    assert last_line(gw, "/x")["upstream"] == f"[::1]:{port}"


def test_stats_name_the_servers_state(behind, certs):
    gw = behind(certs["good"], "ml.test")
    assert gw.request("GET", "/x").status == 200
    (group,) = json.loads(gw.control("GET", "/stats")[1])["upstreams"]
    assert group["servers"][0] == {"server": f"https://127.0.0.1:{gw.upstream_port}", "state": "up", "inflight": 0, "failures": 0,
                                   "addresses": ["127.0.0.1"]}
