"""What is written about requests, and which head fields are ours: audit, access log, traces, CORS, limits."""
import json
import os

import pytest
from conftest import BUILD, Process, routes, wait_until


@pytest.fixture
def gw(make_gateway, upstream):
    g = make_gateway("limits:\n  one: {key: principal, rate: 1/h}\n" + routes(
        upstream, "{path: /admin, roles: [admin], upstream: up}", "{path: /limited, limit: one, upstream: up}",
        "{path: /**, upstream: up}"))
    g.alice = g.user("alice")
    g.alice_key, g.alice_key_record = g.api_key("alice")
    g.auth = {"X-API-Key": g.alice_key}
    return g


@pytest.mark.parametrize("event, path, changes, who_is_known", [
    ("auth.refused", "/x", {"X-API-Key": "sk_wrong"}, False),
    ("credential.ambiguous", "/x", {"Authorization": "Bearer abc"}, False),
    ("auth.forbidden", "/admin", {}, True),
    ("rate.limited", "/limited", {}, True),
    ("identity.forged", "/x", {"X-User-Id": "usr_other"}, True),
])
def test_audit_line_says_who_from_where_and_on_which_route(gw, event, path, changes, who_is_known):
    if event == "rate.limited":
        gw.request("GET", path, gw.auth)
    a = gw.request("GET", path, {**gw.auth, **changes})
    [line] = wait_until(lambda: [line for line in gw.audit_lines() if line["event"] == event], what="the audit line")
    assert line["request_id"] == a.headers["x-request-id"]
    assert line["ip"] == "127.0.0.1"
    assert line["route"] == (path if path != "/x" else "/**")
    assert line.get("user") == (gw.alice["id"] if who_is_known else None)
    assert line.get("actor") == (gw.alice_key_record["id"] if who_is_known else None)
    assert gw.alice_key not in json.dumps(gw.audit_lines())


HEAD = b"GET /x HTTP/1.1\r\nHost: localhost\r\n"


def refused(gw, raw):
    """The head and the body of the answer to raw, which ends its connection."""
    text = b""
    with gw.connect() as s:
        s.sendall(raw)
        while b"\r\n\r\n" not in text:
            more = s.recv(65536)
            assert more, text
            text += more
    status, *fields = text.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    return int(status.split(" ")[1]), {k.lower(): v.strip() for k, v in (f.split(":", 1) for f in fields)}


def metric(gw, name):
    return int(next(line for line in gw.control("GET", "/metrics")[1].splitlines() if line.startswith(name + " ")).split()[1])


@pytest.mark.parametrize("raw, status, problem, reason", [
    (HEAD + b"Bad Name: x\r\n\r\n", 400, "bad_request", "malformed"),
    (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "bad_request", "malformed"),
    (b"\x16\x03\x01\r\n\r\n", 400, "bad_request", "malformed"),
    (HEAD + b"Origin: a\r\nOrigin: b\r\n\r\n", 400, "header_duplicate", "malformed"),
    (HEAD + b"X: " + b"a" * 40_000, 431, "head_too_large", "malformed"),
    (b"GET /" + b"a" * 40_000, 414, "uri_too_long", "malformed"),
    (b"A" * 9000 + b" /x HTTP/1.1\r\n\r\n", 400, "bad_request", "malformed"),
    (b"GET /x HTTP/3.0\r\n\r\n", 505, "http_version", "malformed"),
    (HEAD + b"Expect: more\r\n\r\n", 417, "expectation_failed", "malformed"),
    (HEAD + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n", 400, "header_duplicate", "credential_ambiguous"),
], ids=["name", "lengths", "tls", "twice", "head", "target", "method", "version", "expect", "credentials"])
def test_a_request_that_the_codec_refuses_leaves_one_short_line(make_gateway, upstream, raw, status, problem, reason):
    gw = make_gateway(routes(upstream))
    got, headers = refused(gw, raw)
    [line] = wait_until(gw.access_lines, what="the access line")
    assert got == line["status"] == status
    assert line["problem"] == problem and line["reason"] == reason
    assert line["request_id"] == headers["x-request-id"] and line["ip"] == "127.0.0.1"
    assert len(json.dumps(line)) < 1024, "no client writes long lines"
    assert metric(gw, "postern_malformed_requests_total") == 1
    assert not upstream.requests


@pytest.mark.parametrize("name", ["Authorization", "X-API-Key", "Proxy-Authorization"])
def test_two_fields_with_credentials_are_audited_as_a_refusal(make_gateway, upstream, name):
    gw = make_gateway(routes(upstream))
    _, headers = refused(gw, HEAD + f"{name}: Bearer canary-1\r\n{name}: Bearer canary-2\r\n\r\n".encode())
    [line] = wait_until(lambda: [line for line in gw.audit_lines() if line["event"] == "credential.ambiguous"], what="the audit line")
    assert line["outcome"] == "refused" and line["detail"] == "credential_ambiguous"
    assert line["request_id"] == headers["x-request-id"] and line["ip"] == "127.0.0.1"
    assert metric(gw, "postern_auth_refused_total") == 1
    wait_until(gw.access_lines, what="the access line")
    assert "canary" not in json.dumps(gw.audit_lines() + gw.access_lines())


def test_a_head_that_comes_too_late_is_no_malformed_one(make_gateway, upstream):
    gw = make_gateway(routes(upstream), server="  head_timeout: 1s\n")
    assert refused(gw, HEAD)[0] == 408
    [line] = wait_until(gw.access_lines, what="the access line")
    assert line["problem"] == "request_timeout" and line["reason"] == "late"
    assert metric(gw, "postern_malformed_requests_total") == 0


@pytest.mark.parametrize("trace, logged", [
    ("0af7651916cd43dd8448eb211c80319c", True),
    ("0AF7651916CD43DD8448EB211C80319C", False),
    ("00000000000000000000000000000000", False),
    ("0af7651916cd43dd8448eb211c80319\"", False),
])
def test_trace_id_is_logged_when_it_is_one(gw, trace, logged):
    sent = f"00-{trace}-b7ad6b7169203331-01"
    a = gw.request("GET", "/x", {**gw.auth, "traceparent": sent})
    assert ["traceparent", sent] in a.json()["headers"], "carried through as it came"
    [line] = wait_until(lambda: [line for line in gw.access_lines() if line["request_id"] == a.headers["x-request-id"]],
                        what="the access line")
    assert line.get("trace_id") == (trace if logged else None)


@pytest.mark.parametrize("origins, sent, vary", [
    ("https://a.example", None, True),
    ("https://a.example", "https://a.example", True),
    ("https://a.example", "https://evil.example", True),
    ("'*'", "https://a.example", False),
    ("'*'", None, False),
])
def test_caches_know_that_cors_depends_on_origin(make_gateway, make_upstream, origins, sent, vary):
    up = make_upstream(lambda request, conn: (200, {"Vary": "Accept"}, b""))
    gw = make_gateway(f"cors: {{origins: [{origins}]}}\n" + routes(up, "{path: /**, auth: public, upstream: up}"))
    a = gw.request("GET", "/x", {"Origin": sent} if sent else {})
    varies = [v for k, v in a.raw_headers if k.lower() == "vary"]
    assert varies == ["Accept", "Origin"] if vary else varies == ["Accept"]
    assert ("access-control-allow-origin" in a.headers) == (sent in ("https://a.example",))


def test_limits_of_the_gateway_replace_those_of_the_upstream(make_gateway, make_upstream):
    up = make_upstream(lambda request, conn: (200, {
        "X-RateLimit-Remaining": "7", "ratelimit": '"theirs";r=7;t=1', "x-ratelimit-remaining-requests": "9"}, b""))
    gw = make_gateway("limits:\n  default: {key: address, rate: 100/h}\n"
                      + routes(up, "{path: /**, auth: public, upstream: up}"))
    a = gw.request("GET", "/x")
    names = [k.lower() for k, _ in a.raw_headers]
    assert names.count("x-ratelimit-remaining") == 1 and a.headers["x-ratelimit-remaining"] == "99"
    assert names.count("ratelimit") == 1 and "theirs" not in a.headers["ratelimit"]
    assert a.headers["x-ratelimit-remaining-requests"] == "9"


def test_a_stalled_reader_of_the_access_log_holds_up_nobody(make_gateway, upstream):
    conf = routes(upstream, "{path: /**, auth: public, upstream: up}")
    gw = make_gateway(conf, start=False)
    fifo = gw.folder / "access.fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    gw.base = gw.base.replace(f"access: {gw.folder}/access.log", "access: stdout")
    gw.write(conf)
    gw.process = Process(["sh", "-c", f"exec {BUILD}/postern -c {gw.path} >{fifo}"], gw.folder, "postern", env=gw.env)
    wait_until(gw.is_ready, what="readiness")
    path = "/" + "x" * 900
    for _ in range(150):  # more than a pipe holds
        assert gw.request("GET", path).status == 200
    data = os.read(reader, 1024 * 1024)
    assert data.count(b"\n") > 30 and data.endswith(b"\n")
    assert {json.loads(line)["path"] for line in data.splitlines()} == {path}
    os.close(reader)
    assert gw.request("GET", "/reader-gone").status == 200
