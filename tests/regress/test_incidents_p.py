"""
Rows P of the incident list, paths and routes, that no other file shows at the edge: P8, P13 to P16.
docs/security-testing.md says where the rest is; most of it is tests/corpus/paths.
"""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from conftest import make_gateway, make_upstream, routes, upstream, wait_until  # noqa: E402, F401 (fixtures)

GUARDED = "{path: '/guarded/**', upstream: up}", "{path: '/admin/**', roles: [admin], upstream: up}"


@pytest.mark.parametrize("line", [
    "Cookie: session=%00%ff;;;=", "Cookie: \xff\xfe=\xfd", "Authorization: \xff", "Authorization: Bearer \xff",
    "Authorization: Bearer eyJ.eyJ.\xff", "Authorization:", "Authorization: Digest username=\"a", "X-API-Key: sk_%00",
    "X-Forwarded-For: ]]", "X-Forwarded-Proto: \xff", "X-Original-URL: http://[::1", "X-Forwarded-Uri: %zz",
    "Host: [::1", "Host: a b", "Content-Length: 0x0", "Transfer-Encoding: \xff", "Traceparent: \xff", "Origin: \xff",
], ids=lambda line: line.encode("unicode_escape").decode().replace(" ", "_"))
@pytest.mark.parametrize("target", ["/guarded/x", "/guarded/%", "/admin/\xff", "/guarded/x?%zz"])
def test_p8_what_cannot_be_read_lets_nobody_in(gw, line, target):
    host = "" if line.startswith("Host:") else "Host: gw.test\r\n"
    with gw.connect() as s:
        s.sendall(f"GET {target} HTTP/1.1\r\n{host}{line}\r\nConnection: close\r\n\r\n".encode("latin-1"))
        answer = s.recv(65536)
    assert answer[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 401"), answer
    assert not gw.up.requests


@pytest.fixture(scope="module")
def gw(tmp_path_factory):
    from conftest import Gateway, Upstream
    up = Upstream()
    g = Gateway(tmp_path_factory.mktemp("gw"), routes(up, *GUARDED), tls=False).start()
    g.up = up
    yield g
    assert g.stop() == 0
    up.close()


@pytest.mark.parametrize("headers", [
    {"User-Agent": "kube-probe/1.30"}, {"User-Agent": "GoogleHC/1.0"}, {"User-Agent": "ELB-HealthChecker/2.0"},
    {"X-Healthcheck": "1"}, {"Purpose": "prefetch"}, {"X-Forwarded-For": "127.0.0.1"}, {"Referer": "http://gw.test/admin"},
    {"Origin": "http://localhost"}, {"X-Requested-With": "XMLHttpRequest"}, {"Cookie": "admin=true"}, {"X-Internal": "true"},
])
def test_p13_no_header_grants_anything(gw, headers):
    assert gw.request("GET", "/guarded/x", headers).status == 401
    assert gw.request("GET", "/healthz", headers).status == 404
    assert not gw.up.requests


def test_p14_a_refusal_ends_the_request(make_gateway, upstream):
    """No error page is fetched: a server that says 200 to everything is not asked."""
    gw = make_gateway(
        "limits: {one: {rate: 1/h, key: address}}\n"
        + routes(upstream, *GUARDED, "{path: /once, auth: public, limit: one, upstream: up}",
                 "{path: /here, auth: public, allow: [192.0.2.0/24], upstream: up}",
                 "{path: /401, auth: public, upstream: up}", "{path: /error, auth: public, upstream: up}"))
    gw.user("alice")
    key, _ = gw.api_key("alice")
    assert gw.request("GET", "/once").status == 200
    before = len(upstream.requests)
    for path, headers, status in (
        ("/guarded/x", {}, 401), ("/guarded/x", {"X-API-Key": "sk_bad"}, 401), ("/admin/x", {"X-API-Key": key}, 403),
        ("/here", {}, 403), ("/nowhere", {}, 404), ("/once", {}, 429), ("/guarded/%2f", {"X-API-Key": key}, 400),
    ):
        a = gw.request("GET", path, headers)
        assert a.status == status and a.json()["status"] == status, (path, a.status)
    assert len(upstream.requests) == before


@pytest.mark.parametrize("path", [
    "/invocations", "/ping", "/score", "/v1/score", "/pooling", "/v1/rerank", "/tokenize", "/metrics", "/version",
    "/start_profile", "/reset_prefix_cache", "/sleep", "/load_lora_adapter", "/v2/repository/models/m/unload", "/shutdown",
])
def test_p15_what_no_rule_names_is_not_there(make_gateway, upstream, path):
    gw = make_gateway(routes(upstream, "{path: /v1/chat/completions, methods: [POST], auth: public, upstream: up}"))
    for method in "GET", "POST", "OPTIONS", "HEAD":
        assert gw.request(method, path).status == 404
    assert not upstream.requests


def test_p16_a_parameter_in_two_places_decides_nothing(make_gateway, upstream):
    """No rule of ours reads the query: which of two wins is between the client and the server."""
    gw = make_gateway(routes(upstream, "{path: /models/a, auth: public, upstream: up}", *GUARDED))
    target = "/models/a?model=a&model=b&path=/guarded/x&%6dodel=c"
    assert gw.request("GET", target).json()["target"] == target
    for query in "model=a", "auth=public", "route=/models/a", "x_api_key=sk_a", "access_token=a", "user=admin":
        assert gw.request("GET", f"/guarded/x?{query}&{query}").status == 401
