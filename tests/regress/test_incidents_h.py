"""
Rows H of the incident list, headers and identity, that no other file shows at the edge: H8, H9,
H11, H13, H14. docs/security-testing.md says where the rest is; most of it is tests/corpus/identity.
"""
import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from conftest import make_gateway, make_upstream, routes, upstream, wait_until  # noqa: E402, F401 (fixtures)


def user_id(answer):
    return [v for k, v in answer.json()["headers"] if k.lower() == "x-user-id"]


@pytest.mark.parametrize("name", [
    "X-On-Behalf-Of", "X-Impersonate-User", "Impersonate-User", "X-Act-As", "X-Sudo", "Sudo", "X-Run-As",
    "X-Customer-Id", "X-End-User", "OpenAI-Organization", "OpenAI-Project", "X-Tenant-Id", "X-User-Id", "X-Auth-User",
])
def test_h8_no_header_makes_another_user(make_gateway, upstream, name):
    gw = make_gateway(routes(upstream))
    alice, bob = gw.user("alice"), gw.user("bob")
    key, _ = gw.api_key("alice")
    for value in bob["id"], "bob", "admin", "root":
        a = gw.request("GET", "/x", {"X-API-Key": key, name: value})
        assert user_id(a) == [alice["id"]]
    assert gw.request("GET", "/x", {name: bob["id"]}).status == 401


def test_h9_nothing_unpacks_requests_and_administration_is_elsewhere(make_gateway, upstream):
    gw = make_gateway(routes(upstream, "{path: '/**', auth: public, upstream: up}"))
    batch = json.dumps({"pipeline": [{"method": "POST", "path": "/reload", "headers": {"X-Real-IP": "127.0.0.1"}}]}).encode()
    for path in "/batch-requests", "/$batch", "/apisix/batch-requests", "/reload", "/stats", "/explain":
        a = gw.request("POST", path, {"X-Real-IP": "127.0.0.1", "Content-Type": "application/json"}, body=batch)
        assert a.json()["target"] == path and a.json()["body"] == batch.decode(), "it is a request like any other"
    assert len(upstream.requests) == 6


@pytest.mark.parametrize("headers", [
    {"X-Forwarded-For": "10.0.0.1"}, {"X-Forwarded-For": "10.0.0.1, 10.0.0.1"}, {"X-Real-IP": "10.0.0.1"},
    {"Forwarded": "for=10.0.0.1"}, {"True-Client-IP": "10.0.0.1"}, {"X-Client-IP": "10.0.0.1"},
    {"X_Forwarded_For": "10.0.0.1"}, {"CF-Connecting-IP": "10.0.0.1"}, {"X-Envoy-External-Address": "10.0.0.1"},
])
def test_h11_a_stranger_names_no_address(make_gateway, upstream, headers):
    gw = make_gateway("limits: {few: {rate: 3/h, key: address}}\n" + routes(
        upstream, "{path: /inside, auth: public, allow: [10.0.0.0/8], upstream: up}",
        "{path: /few, auth: public, limit: few, upstream: up}"))
    assert gw.request("GET", "/inside", headers).status == 403
    got = [gw.request("GET", "/few", {k: v.replace("0.1", f"0.{i}") for k, v in headers.items()}).status for i in range(1, 6)]
    assert got == [200, 200, 200, 429, 429], "a fresh address is no fresh allowance"


def test_h11_the_walk_ends_at_the_first_stranger(make_gateway, upstream):
    gw = make_gateway("limits: {few: {rate: 2/h, key: address}}\n" + routes(
        upstream, "{path: /few, auth: public, limit: few, upstream: up}"), server="  trusted_proxies: [127.0.0.1]\n")
    # The left-most is the client's own word: neither a fresh allowance nor somebody else's.
    got = [gw.request("GET", "/few", {"X-Forwarded-For": f"192.0.2.{i}, 203.0.113.7"}).status for i in range(4)]
    assert got == [200, 200, 429, 429]
    assert gw.request("GET", "/few", {"X-Forwarded-For": "203.0.113.7, 192.0.2.1"}).status == 200


def test_h13_a_client_writes_no_log_lines(make_gateway, upstream):
    gw = make_gateway(routes(upstream, "{path: '/**', auth: public, upstream: up}"), tls=False)
    nasty = 'x","status":500,"user":"root\\u000a{"msg":"forged"}\\n\x1b[2J\xe2\x80\xa8\xff'
    with gw.connect() as s:
        s.sendall(b'GET /a%22%7D%0Bx HTTP/1.1\r\nHost: a\r\n\r\n'
                  + f'GET /%7B%22forged%22:1%7D HTTP/1.1\r\nHost: a\r\nUser-Agent: {nasty.replace(chr(27), "")}\r\n'
                    f'Connection: close\r\n\r\n'.encode("latin-1"))
        while s.recv(65536):
            pass
    wait_until(lambda: len(gw.access_lines()) >= 2, what="the access log")
    lines = gw.access_lines()  # each a JSON object, or this fails
    assert len(lines) == 2 and [line["status"] for line in lines] == [400, 200]
    assert all("forged" not in line and line.get("user") != "root" for line in lines)
    assert "\x1b" not in (gw.folder / "access.log").read_text(errors="replace")


def test_h14_nothing_is_cut_at_a_nul(make_gateway, upstream):
    gw = make_gateway(routes(upstream, "{path: '/**', auth: public, upstream: up}"), tls=False)
    for text in (b"GET /x HTTP/1.1\r\nHost: a\r\nX-A: b\0c\r\n\r\n", b"GET /x\0y HTTP/1.1\r\nHost: a\r\n\r\n",
                 b"GET /x HTTP/1.1\r\nHost: a\0.b\r\n\r\n", b"GET /x HTTP/1.1\r\nHost: a\r\nX\0-A: b\r\n\r\n",
                 b"G\0ET /x HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /x%00y HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"):
        with gw.connect() as s:
            s.sendall(text)
            assert s.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert not upstream.requests
