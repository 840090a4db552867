"""posternctl explain says what really happens, in every way a request can end before it is forwarded."""
import json

import pytest
from conftest import routes

RULES = [
    "{path: '/**', upstream: up}",
    "{path: /open, auth: public, upstream: up}",
    "{path: /maybe, auth: optional, upstream: up}",
    "{path: /predict, methods: [POST], scopes: [write], upstream: up}",
    "{path: /admin, roles: [admin], upstream: up}",
    "{path: /super, scopes: [admin], upstream: up}",
    "{path: /keys-only, methods_auth: [api_key], upstream: up}",
    "{path: /jwt-only, methods_auth: [jwt], upstream: up}",
    "{path: '/files/{name}', encoded_slash: keep, rewrite: '/x/{name}', upstream: up}",
]
ASKED = [
    ("GET", "/open"), ("GET", "/maybe"), ("GET", "/predict"), ("POST", "/predict"), ("POST", "/predict?a=1"), ("POST", "/a/..//predict"),
    ("POST", "/%70redict"), ("GET", "/admin"), ("GET", "/super"), ("GET", "/keys-only"), ("GET", "/files/a%2Fb"), ("GET", "/open%2F"),
    ("GET", "/../x"), ("GET", "/a%5Cb"), ("GET", "/.well-known/jwks.json"), ("POST", "/.well-known/jwks.json"), ("DELETE", "/x"),
]


def explain(gw, *args):
    return json.loads(gw.ctl("explain", *args, "-o", "json").stdout)


@pytest.fixture
def gw(make_gateway, upstream):
    g = make_gateway("limits:\n  default: {key: user, rate: [1000/min]}\n" + routes(upstream, *RULES))
    g.user("alice")
    g.user("root-of-all", "--role", "admin", "--role", "user")
    return g


def really(gw, upstream, method, path, headers=None):
    before = len(upstream.requests)
    answer = gw.request(method, path, headers)
    return answer.status, upstream.requests[before:]


@pytest.mark.parametrize("who", ["alice", "root-of-all", None])
def test_status_and_forwarded_head_are_those_of_the_request(gw, upstream, who):
    headers = {"X-API-Key": gw.api_key(who, "--scope", "read", "--scope", "write")[0]} if who else {}
    narrowed = ["--as", who, "--scope", "read", "--scope", "write"] if who else []
    for method, path in ASKED:
        said = explain(gw, method, path, *narrowed)
        status, seen = really(gw, upstream, method, path, headers)
        assert said["status"] == status, (method, path, said)
        assert bool(seen) == ("rule" in said and status == 200), (method, path, said)
        if not seen:
            continue
        assert said["forwarded_target"] == seen[0]["target"], said
        low = seen[0]["low"]
        for name, value in said["headers_set"].items():
            assert low.get(name) == value or value.startswith("(") and name in low or name == "x-forwarded-host", (name, value, low)
        for name in low:
            if name.startswith(("x-user-", "x-auth-")):
                assert name in said["headers_set"], name
        for name in said["headers_removed"]:
            assert name not in low or name in said["headers_set"] or name in ("connection", "content-length", "transfer-encoding"), name


def test_kinds_of_credentials_are_respected(gw, upstream):
    token = {"Authorization": "Bearer " + gw.token("alice")}
    assert really(gw, upstream, "GET", "/keys-only", token)[0] == 401
    assert really(gw, upstream, "GET", "/jwt-only", token)[0] == 200
    said = explain(gw, "GET", "/jwt-only", "--as", "alice")
    assert said["status"] == 200 and said["rule"]["credentials"] == ["jwt"] and said["headers_set"]["x-auth-method"] == "jwt"


def test_scope_admin_is_worth_nothing_without_the_role(gw):
    assert explain(gw, "GET", "/super", "--as", "alice")["status"] == 403
    assert explain(gw, "GET", "/super", "--as", "root-of-all")["status"] == 200


def test_a_disabled_user_is_refused(gw, upstream):
    key, _ = gw.api_key("alice")
    gw.ctl("user", "disable", "alice", "--yes")
    for path in "/maybe", "/x", "/open":
        assert explain(gw, "GET", path, "--as", "alice")["status"] == really(gw, upstream, "GET", path, {"X-API-Key": key})[0]
    assert "disabled" in explain(gw, "GET", "/x", "--as", "alice")["verdict"]


@pytest.mark.parametrize("mode", ["simple", "dev"])
def test_open_modes_are_explained(make_gateway, upstream, mode):
    gw = make_gateway(f"auth: {{mode: {mode}}}\n" + routes(upstream, "{path: /x, upstream: up}", "{path: /admin, roles: [admin], upstream: up}"))
    for path in "/x", "/admin":
        said = explain(gw, "GET", path)
        status, seen = really(gw, upstream, "GET", path)
        assert said["status"] == status
        if seen:
            assert said["headers_set"]["x-postern-mode"] == mode == seen[0]["low"]["x-postern-mode"]
            assert said["headers_set"].get("x-user-id") == seen[0]["low"].get("x-user-id")


def test_a_foreign_host_is_misdirected(make_gateway, upstream):
    gw = make_gateway(routes(upstream, "{path: /x, auth: public, upstream: up}"), server="  hosts: [localhost, gw.example]\n")
    for host, status in ("gw.example:8443", 200), ("GW.EXAMPLE", 200), ("other.example", 421):
        assert explain(gw, "GET", "/x", "--host", host)["status"] == status
        assert gw.request("GET", "/x", {"Host": host}).status == status


def test_people_see_the_rule_its_place_its_limit_and_what_is_set(gw):
    text = gw.ctl("explain", "POST", "/predict", "--as", "alice").stdout
    line = next(n for n, l in enumerate(gw.path.read_text().splitlines(), 1) if "/predict" in l)
    assert "POST /predict: 200, forwarded" in text and f"postern.yaml:{line}" in text
    assert "1000 per 60s" in text and "x-user-id: usr_" in text


def test_scope_without_a_user_is_a_usage_error_and_an_unknown_user_is_not_found(gw):
    assert gw.ctl("explain", "GET", "/x", "--scope", "read", ok=False).returncode == 2
    assert gw.ctl("explain", "GET", "/x", "--as", "nobody", ok=False).returncode == 3
