"""Who asks, as the upstream sees it: identity injected, forgeries gone, credentials kept away from it."""
import json
import threading

import pytest
from conftest import routes, wait_until

FORGED = [
    "X-User-Id", "x-user-id", "X_User_Id", "X-User_Id", "X_USER-ID", "X.User.Id", "X-User.Id", "X_User.Id",
    "X-User-Name", "X_User_Name", "X-User-Roles", "X.User.Roles", "X-Auth-Scopes", "X_Auth_Method", "X-Auth-Method",
    "X-Auth-Assertion", "X-Postern-Mode", "X-User-Email", "X-Forwarded-User", "X-Original-URL", "X-Rewrite-URL",
    "X-Forwarded-For", "X_Forwarded_For", "X-Forwarded-Host", "X-Forwarded-Prefix", "X-Real-IP", "Forwarded",
    "X-HTTP-Method-Override", "X-Envoy-Original-Path",
]


@pytest.fixture
def gw(make_gateway, upstream):
    g = make_gateway(routes(
        upstream,
        "{path: /public, auth: public, upstream: up}",
        "{path: /maybe, auth: optional, upstream: up}",
        "{path: /admin/**, roles: [admin], upstream: up}",
        "{path: /**, upstream: up}",
    ))
    g.alice = g.user("alice")
    g.key, g.key_record = g.api_key("alice")
    return g


def seen(answer):
    assert answer.status == 200, (answer.status, answer.body)
    return [(k, v) for k, v in answer.json()["headers"]]


def values(headers, name):
    return [v for k, v in headers if k.lower() == name]


def test_api_key_becomes_x_user_id(gw):
    h = seen(gw.request("GET", "/x", {"X-API-Key": gw.key}))
    assert values(h, "x-user-id") == [gw.alice["id"]]
    assert values(h, "x-user-name") == ["alice"]
    assert values(h, "x-auth-method") == ["api_key"]
    assert values(h, "x-user-roles") == ["user"]


def test_api_key_as_bearer(gw):
    h = seen(gw.request("GET", "/x", {"Authorization": f"bearer {gw.key}"}))
    assert values(h, "x-user-id") == [gw.alice["id"]]


def test_jwt_and_opaque_token(gw):
    for flags, method in ((), "jwt"), (("--opaque",), "token"):
        token = gw.token("alice", *flags)
        h = seen(gw.request("GET", "/x", {"Authorization": f"Bearer {token}"}))
        assert values(h, "x-user-id") == [gw.alice["id"]]
        assert values(h, "x-auth-method") == [method]


@pytest.mark.parametrize("name", FORGED)
def test_h1_h2_h3_forged_header_never_arrives(gw, name):
    for path, headers in (("/x", {"X-API-Key": gw.key}), ("/public", {}), ("/maybe", {})):
        h = seen(gw.request("GET", path, {**headers, name: "evil-value"}))
        assert not [v for _, v in h if "evil-value" in v], h


def test_h4_connection_cannot_name_our_headers(gw):
    h = seen(gw.request("GET", "/x", {"X-API-Key": gw.key, "Connection": "close, X-User-Id, X-Forwarded-For"}))
    assert values(h, "x-user-id") == [gw.alice["id"]]
    assert values(h, "x-forwarded-for") == ["127.0.0.1"]


def test_h12_credentials_stay_here(gw):
    for headers in {"X-API-Key": gw.key}, {"Authorization": f"Bearer {gw.key}"}:
        h = seen(gw.request("GET", "/x", {**headers, "Proxy-Authorization": "Basic abc"}))
        assert not [v for _, v in h if gw.key in v]
        assert not values(h, "authorization") and not values(h, "x-api-key") and not values(h, "proxy-authorization")


def test_forwarded_headers_are_rebuilt(gw):
    h = seen(gw.request("GET", "/x", {"X-API-Key": gw.key}))
    assert values(h, "x-forwarded-proto") == ["https"]
    assert values(h, "x-forwarded-host") == [f"localhost:{gw.port}"]
    assert values(h, "x-real-ip") == ["127.0.0.1"]


@pytest.mark.parametrize("headers", [
    {}, {"X-API-Key": "sk_nonsense"}, {"X-API-Key": ""}, {"Authorization": "Bearer"}, {"Authorization": "Basic YTpi"},
    {"Authorization": "Bearer a.b.c"}, {"Authorization": "Bearer " + "." * 4000}, {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."},
    {"X-API-Key": "x"}, {"Authorization": "Bearer " + "A" * 43},
])
def test_one_body_for_every_401(gw, headers):
    a = gw.request("GET", "/x", headers)
    assert a.status == 401
    body = a.json()
    assert body["request_id"] == a.headers["x-request-id"]
    assert body["error"]["code"] == "unauthenticated" and body["status"] == 401
    assert a.headers["www-authenticate"].startswith("Bearer")
    body.pop("request_id"), body["error"].pop("request_id")
    reference = gw.request("GET", "/x").json()
    reference.pop("request_id"), reference["error"].pop("request_id")
    assert body == reference


def test_h7_two_credentials_are_refused(gw):
    a = gw.request("GET", "/x", {"X-API-Key": gw.key, "Authorization": f"Bearer {gw.token('alice')}"})
    assert a.status == 400 and a.json()["error"]["code"] == "credential_ambiguous"


def test_optional_route_refuses_a_bad_credential(gw):
    assert gw.request("GET", "/maybe").status == 200
    assert gw.request("GET", "/maybe", {"X-API-Key": "sk_bad"}).status == 401


def test_k12_role_change_acts_at_once(gw):
    assert gw.request("GET", "/admin/x", {"X-API-Key": gw.key}).status == 403
    gw.ctl("user", "set-role", "alice", "user", "admin")
    wait_until(lambda: gw.request("GET", "/admin/x", {"X-API-Key": gw.key}).status == 200, 2, "the new role")


def test_scopes_narrow_a_key(gw):
    key, _ = gw.api_key("alice", "--scope", "read")
    assert gw.request("GET", "/x", {"X-API-Key": key}).status == 200
    assert gw.request("POST", "/x", {"X-API-Key": key}, body=b"1").status == 403


def test_key_bound_to_an_address(gw):
    key, _ = gw.api_key("alice", "--allow-ip", "10.0.0.0/8")
    assert gw.request("GET", "/x", {"X-API-Key": key}).status == 401


def test_key_that_expired(gw):
    key, _ = gw.api_key("alice", "--expires-in", "1s")
    wait_until(lambda: gw.request("GET", "/x", {"X-API-Key": key}).status == 401, 4, "the key's expiry")


def test_rotation_with_grace(gw):
    new = json.loads(gw.ctl("key", "rotate", gw.key_record["id"], "--grace", "2s", "-o", "json").stdout)["api_key"]
    assert new != gw.key
    assert gw.request("GET", "/x", {"X-API-Key": new}).status == 200
    assert gw.request("GET", "/x", {"X-API-Key": gw.key}).status == 200
    wait_until(lambda: gw.request("GET", "/x", {"X-API-Key": gw.key}).status == 401, 5, "the end of the grace")
    assert gw.request("GET", "/x", {"X-API-Key": new}).status == 200


def test_h13_no_secret_in_any_log(gw):
    token = gw.token("alice")
    gw.request("GET", "/x", {"X-API-Key": gw.key})
    gw.request("GET", "/x", {"Authorization": f"Bearer {token}"})
    gw.request("GET", "/x", {"X-API-Key": gw.key + "x"})
    wait_until(lambda: len(gw.access_lines()) >= 3, what="the access log")
    text = "".join((gw.folder / name).read_text() for name in ("access.log", "audit.log", "postern.log"))
    assert gw.key not in text and token not in text and gw.key[-20:] not in text
    line = [a for a in gw.access_lines() if a["status"] == 200][0]
    assert line["user"] == gw.alice["id"]


def test_own_public_keys_verify_our_tokens(gw):
    import jwt
    keys = jwt.PyJWKSet.from_dict(gw.request("GET", "/.well-known/jwks.json").json())
    token = gw.token("alice")
    kid = jwt.get_unverified_header(token)["kid"]
    key = [k for k in keys.keys if k.key_id == kid][0]
    claims = jwt.decode(token, key.key, algorithms=["ES256"], audience="postern")
    assert claims["sub"] == gw.alice["id"]


def test_signing_key_rotation_overlaps_and_retires(gw):
    old = gw.token("alice")
    first = json.loads(gw.ctl("signing-key", "list", "-o", "json").stdout)[0]["kid"]
    gw.ctl("signing-key", "rotate")
    new = gw.token("alice")
    wait_until(lambda: gw.request("GET", "/x", {"Authorization": f"Bearer {new}"}).status == 200, 3, "the new key")
    assert gw.request("GET", "/x", {"Authorization": f"Bearer {old}"}).status == 200
    gw.ctl("signing-key", "retire", first, "--yes")
    wait_until(lambda: gw.request("GET", "/x", {"Authorization": f"Bearer {old}"}).status == 401, 3, "the retirement")


def test_two_users_on_kept_connections_never_mix(gw):
    bob = gw.user("bob")
    bob_key, _ = gw.api_key("bob")
    wrong = []

    def run(key, user):
        import http.client
        c = http.client.HTTPSConnection("localhost", gw.port, context=gw.client_context(), timeout=30)
        for i in range(150):
            c.request("GET", f"/n{i}", headers={"X-API-Key": key})
            r = c.getresponse()
            body = json.loads(r.read())
            got = [v for k, v in body["headers"] if k.lower() == "x-user-id"]
            if got != [user] or body["target"] != f"/n{i}":
                wrong.append((user, got, body["target"]))
        c.close()

    threads = [threading.Thread(target=run, args=a) for a in [(gw.key, gw.alice["id"]), (bob_key, bob["id"])] * 3]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong
