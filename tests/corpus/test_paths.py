"""
Which rule decides, and what the server behind us then looks for: paths/ holds one spelling a file
(README.md).

Each is sent by nobody, by a user and by an administrator. The three answers tell which rule decided,
the recorder what was forwarded. The same requests then go to a real nginx and to FastAPI under
uvicorn, each behind a postern of its own: they may serve nothing that asks for more than the rule did.
"""
import shutil
import subprocess
import sys

import pytest
import yaml
from corpus import HERE, PATIENCE, Gateway, free_port, joined, read_answers, rig
from conftest import Process, wait_until

ROUTES = """
  - {path: /probe/**, auth: public, upstream: up}
  - {path: /public/**, auth: public, upstream: up}
  - {path: /public/deep/secret, roles: [admin], upstream: up}
  - {path: /protected/**, upstream: up}
  - {path: /protected/open, auth: public, upstream: up}
  - {path: "/protected/jobs/{id}", upstream: up}
  - {path: "/protected/jobs/{id}/secret", roles: [admin], upstream: up}
  - {path: /admin/**, roles: [admin], upstream: up}
  - {path: "/v1/x:delete", roles: [admin], upstream: up}
  - {path: "/v1/{model}", upstream: up}
  - {path: /docs, auth: public, upstream: up}
  - {path: /docs/**, upstream: up}
  - {path: /kept/**, auth: public, encoded_slash: keep, upstream: up}
  - {path: /get, methods: [GET], upstream: up, roles: [admin]}
  - {path: /get, auth: public, upstream: up}
  - {path: /stripped/**, strip_prefix: /stripped, auth: public, upstream: up}
  - {path: /**, hosts: [open.test], upstream: up}
"""
# What nobody, a user and an administrator get by each rule.
ANSWERS = {
    "public": (200, 200, 200), "protected": (401, 200, 200), "admin": (401, 403, 200),
    "none": (404, 404, 404), "bad": (400, 400, 400),
}

RANK = ["", "public", "protected", "admin"]  # what asks for more comes later


class Case:
    KEYS = {"id", "why", "target", "host", "send", "expect"}

    def __init__(self, path):
        data = yaml.safe_load(path.read_text())
        assert set(data) <= self.KEYS and data.get("why") and ("target" in data) != ("send" in data), path
        self.name, self.expect = path.stem, data["expect"]
        self.send = joined(data["send"]) if "send" in data else (
            b"GET " + joined(data["target"]) + b" HTTP/1.1\r\nHost: " + data.get("host", "gw.test").encode()
            + b"\r\n<auth>\r\n")
        assert set(self.expect) <= {"rule", "target", "status", "closes"}, path
        assert ("target" in self.expect) == (self.expect.get("rule") in ("public", "protected", "admin")), path

    def played(self, line):
        return self.send.replace(b"<auth>", line)

    def status(self, who):
        return self.expect.get("status") or ANSWERS[self.expect["rule"]][who]


CASES = [pytest.param(Case(p), id=p.stem) for p in sorted((HERE / "paths").glob("*.yaml"))]
FORWARDED = [c for c in CASES if "target" in c.values[0].expect]


def people(gw):
    """The credential lines of nobody, a user and an administrator."""
    gw.user("alice")
    gw.user("root")
    gw.ctl("user", "set-role", "root", "user", "admin")
    return [b""] + [f"X-API-Key: {gw.api_key(name)[0]}\r\n".encode() for name in ("alice", "root")]


@pytest.fixture(scope="module")
def r(tmp_path_factory):
    with rig(tmp_path_factory, "upstreams: {up: {servers: ['%(url)s']}}\nroutes:" + ROUTES) as r:
        r.people = people(r.gw)
        yield r


@pytest.mark.parametrize("case", CASES)
def test_path(r, case):
    for who, line in enumerate(r.people):
        status = case.status(who)
        forwarded = [{"target": case.expect["target"]}] if status == 200 else 0
        r.check(case.played(line), {"status": status, "closes": case.expect.get("closes", False), "forwarded": forwarded})


# ------- the second opinion -------

# Each says which of its own resources it served; the names are those of ANSWERS.
NGINX = """
daemon off; pid %(folder)s/nginx.pid; error_log %(folder)s/error.log;
events {}
http {
  access_log off; default_type text/plain;
  client_body_temp_path %(folder)s/a; proxy_temp_path %(folder)s/b; fastcgi_temp_path %(folder)s/c;
  uwsgi_temp_path %(folder)s/d; scgi_temp_path %(folder)s/e;
  server {
    listen 127.0.0.1:%(port)s;
    location / { return 404 none; }
    location /public/ { return 200 public; }
    location = /public/deep/secret { return 200 admin; }
    location /protected/ { return 200 protected; }
    location = /protected/open { return 200 public; }
    location ~ ^/protected/jobs/[^/]+/secret/?$ { return 200 admin; }
    location = /admin { return 200 admin; }
    location /admin/ { return 200 admin; }
    location /v1/ { return 200 protected; }
    location = /v1/x:delete { return 200 admin; }
    location = /docs { return 200 public; }
    location /docs/ { return 200 protected; }
    location /kept/ { return 200 public; }
  }
}
"""

FASTAPI = """
import sys
import uvicorn
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)


def serve(path, what):
    app.get(path, response_class=PlainTextResponse)(lambda: what)


serve("/public/deep/secret", "admin")
serve("/public/{rest:path}", "public")
serve("/protected/open", "public")
serve("/protected/jobs/{id}/secret", "admin")
serve("/protected/{rest:path}", "protected")
serve("/admin", "admin")
serve("/admin/{rest:path}", "admin")
serve("/v1/x:delete", "admin")
serve("/v1/{model}", "protected")
serve("/docs", "public")
serve("/docs/{rest:path}", "protected")
serve("/kept/{rest:path}", "public")
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
"""


def is_up(port):
    import socket
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


@pytest.fixture(scope="module", params=["nginx", "fastapi"])
def real(request, tmp_path_factory):
    """A postern in front of a server that we did not write."""
    folder, port = tmp_path_factory.mktemp(request.param), free_port()
    if request.param == "nginx":
        if shutil.which("nginx") is None:
            pytest.skip("nginx is not installed")
        (folder / "nginx.conf").write_text(NGINX % {"folder": folder, "port": port})
        server = Process([shutil.which("nginx"), "-p", folder, "-c", folder / "nginx.conf"], folder, "nginx")
    else:
        pytest.importorskip("uvicorn"), pytest.importorskip("fastapi")
        (folder / "app.py").write_text(FASTAPI)
        server = Process([sys.executable, folder / "app.py", port], folder, "uvicorn")
    gw = Gateway(folder, f"upstreams: {{up: {{servers: ['http://127.0.0.1:{port}']}}}}\nroutes:{ROUTES}", tls=False)
    try:
        wait_until(lambda: is_up(port), 30, f"{request.param}: {server.text()}")
        gw.start()
        gw.people = people(gw)
        yield gw
        assert gw.stop() == 0
    finally:
        server.stop()


def ask(gw, data):
    """The answer to one request on a connection of its own."""
    with gw.connect(timeout=15) as s:
        s.sendall(data)
        got = b""
        while True:
            answers, _, _ = read_answers(got, {0} if data[:5] == b"HEAD " else ())
            if answers and answers[-1].whole:
                return answers[-1]
            piece = s.recv(65536)
            assert piece, got
            got += piece


@pytest.mark.parametrize("case", FORWARDED)
def test_g7_servers_serve_what_was_decided(real, case):
    rule = case.expect["rule"]
    for who, line in enumerate(real.people):
        answer = ask(real, case.played(line))
        if case.status(who) != 200:
            assert answer.status == case.status(who)
            continue
        # A path that the server does not have, or sends elsewhere, gives nothing away; nor does
        # what asks for less than the rule did.
        served = answer.body.decode() if answer.status == 200 else ""
        assert RANK.index(served) <= RANK.index(rule), f"decided as {rule}, served {served}: {answer.raw!r}"


def test_g7_the_servers_do_serve(real):
    """The second opinion is worth nothing if it is always 404."""
    served = {}
    for case in FORWARDED:
        answer = ask(real, case.values[0].played(real.people[2]))
        served.setdefault(answer.body.decode() if answer.status == 200 else "", []).append(case.id)
    assert all(len(served.get(rule, [])) > 5 for rule in ("public", "protected", "admin")), {k: len(v) for k, v in served.items()}
