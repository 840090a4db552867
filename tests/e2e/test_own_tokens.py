"""Tokens that we make ourselves: what ends them, what narrows them, and where they count."""
import json
import time

import jwt
import pytest
from conftest import routes, wait_until


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def status(gw, token, method="GET", path="/x"):
    return gw.request(method, path, bearer(token)).status


def until(gw, token, wanted, seconds=5):
    """On every worker: each connection may meet another one, and what that one remembers."""
    wait_until(lambda: all(status(gw, token) == wanted for _ in range(10)), seconds, f"status {wanted}")


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


def parts(token):
    return [json.loads(jwt.utils.base64url_decode(p)) for p in token.split(".")[:2]]


def joined(head, body, signature):
    return ".".join([jwt.utils.base64url_encode(json.dumps(p).encode()).decode() for p in (head, body)] + [signature])


@pytest.fixture
def gw(make_gateway, upstream):
    g = make_gateway(routes(upstream, "{path: /admin, roles: [admin], upstream: up}", "{path: '/**', upstream: up}"))
    g.alice = g.user("alice")
    return g


def test_token_says_what_is_needed_and_lives_as_long_as_asked(gw):
    token = gw.token("alice", "--ttl", "2h")
    head, body = parts(token)
    assert head["typ"] == "at+jwt" and head["alg"] == "ES256" and head["kid"]
    assert body["iss"] == "postern" and body["aud"] == "postern" and body["sub"] == gw.alice["id"]
    assert body["exp"] - body["iat"] == 7200 and body["nbf"] == body["iat"]
    assert status(gw, token) == 200


@pytest.mark.parametrize("opaque", [(), ("--opaque",)], ids=["jwt", "opaque"])
def test_token_ends_on_time_although_it_was_remembered(gw, opaque):
    token = gw.token("alice", "--ttl", "3s", *opaque)
    ends = time.time() + 3
    assert status(gw, token) == 200
    wait_until(lambda: time.time() > ends + 1, 10, "the end")
    assert status(gw, token) == 401


@pytest.mark.parametrize("opaque", [(), ("--opaque",)], ids=["jwt", "opaque"])
def test_scopes_narrow_a_token_and_roles_bound_it(gw, opaque):
    token = gw.token("alice", "--scope", "read", *opaque)
    assert status(gw, token) == 200 and status(gw, token, "POST") == 403
    assert gw.ctl("token", "issue", "alice", "--scope", "admin", *opaque, ok=False).returncode != 0


@pytest.mark.parametrize("opaque", [(), ("--opaque",)], ids=["jwt", "opaque"])
def test_revoking_one_token_leaves_the_others(gw, opaque):
    one, other = gw.token("alice", *opaque), gw.token("alice", *opaque)
    assert status(gw, one) == 200 and status(gw, other) == 200
    gw.ctl("token", "revoke", "--token-stdin", "--yes", input=one)
    until(gw, one, 401, 2)
    assert status(gw, other) == 200


def test_k12_token_made_before_a_role_change_ends(gw):
    token = gw.token("alice")
    until(gw, token, 200)
    gw.ctl("user", "set-role", "alice", "user", "admin")
    until(gw, token, 401, 2)
    assert status(gw, gw.token("alice"), path="/admin") == 200


def test_reload_with_another_audience_ends_remembered_tokens(gw, upstream):
    token = gw.token("alice")
    until(gw, token, 200)
    gw.write("auth: {jwt: {audience: [elsewhere]}}\n" + routes(upstream))
    assert gw.reload()[0]
    until(gw, token, 401)
    until(gw, gw.token("alice"), 200)


def test_reload_with_another_issuer_name_ends_remembered_tokens(gw, upstream):
    token = gw.token("alice")
    until(gw, token, 200)
    gw.write("auth: {jwt: {issuer: https://new.example.com}}\n" + routes(upstream))
    assert gw.reload()[0]
    until(gw, token, 401)
    until(gw, gw.token("alice"), 200)


def test_k1_forged_heads_and_bodies_are_refused(gw):
    token = gw.token("alice")
    (head, body), signature = parts(token), token.split(".")[2]
    assert status(gw, token) == 200
    bob = gw.user("bob")
    for forged in ({**head, "alg": "none"}, {**head, "alg": "HS256"}, {**head, "typ": "JWT"}, {**head, "kid": "x"}):
        assert status(gw, joined(forged, body, signature)) == 401, forged
    for forged in ({**body, "sub": bob["id"]}, {**body, "exp": body["exp"] + 9}, {**body, "ver": body["ver"] + 1}):
        assert status(gw, joined(head, forged, signature)) == 401, forged


@pytest.mark.parametrize("alg", ["HS256", "HS512", "EdDSA", "PS256", "ES384"])
def test_each_algorithm_of_ours_works(make_gateway, upstream, alg):
    gw = make_gateway(f"auth: {{jwt: {{algorithm: {alg}}}}}\n" + routes(upstream))
    gw.user("alice")
    token = gw.token("alice")
    assert parts(token)[0]["alg"] == alg
    until(gw, token, 200)
    keys = gw.request("GET", "/.well-known/jwks.json").json()["keys"]
    assert [k["alg"] for k in keys] == ([] if alg.startswith("HS") else [alg]), "a secret is not published"


def test_two_gateways_take_each_others_tokens_and_assertions(make_gateway, upstream, redis):
    conf = f"redis: {{url: '{redis.url}'}}\nauth: {{assertion: true}}\n" + routes(upstream)
    a = make_gateway(conf)
    b = make_gateway(conf, env={"POSTERN_AUTH__MASTER_KEY": (a.state / "master.key").read_text().strip()})
    alice = a.user("alice")
    token = a.token("alice")
    until(a, token, 200)
    until(b, token, 200)
    sent = {k.lower(): v for k, v in a.request("GET", "/x", bearer(token)).json()["headers"]}["x-auth-assertion"]
    keys = jwt.PyJWKSet.from_dict(b.request("GET", "/.well-known/jwks.json").json()).keys
    key = [k for k in keys if k.key_id == jwt.get_unverified_header(sent)["kid"]][0]
    assert jwt.decode(sent, key.key, algorithms=["ES256"], audience="up")["sub"] == alice["id"]


def test_gateway_takes_tokens_of_another_gateway_as_those_of_an_issuer(make_gateway, upstream, tmp_path):
    a = make_gateway("auth: {jwt: {issuer: 'https://a.example.com'}}\n" + routes(upstream))
    alice = a.user("alice")
    keys = tmp_path / "a.json"
    keys.write_bytes(a.request("GET", "/.well-known/jwks.json").body)
    issuer = {"issuer": "https://a.example.com", "audience": ["postern"], "algorithms": ["ES256"],
              "jwks_file": str(keys), "user_prefix": "a:", "name_claim": "username"}
    b = make_gateway(f"auth: {{issuers: {json.dumps([issuer])}}}\n" + routes(upstream))
    answer = b.request("GET", "/x", bearer(a.token("alice")))
    seen = {k.lower(): v for k, v in answer.json()["headers"]}
    assert seen["x-user-id"] == f"a:{alice['id']}" and seen["x-user-name"] == "alice"
