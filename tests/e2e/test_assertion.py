"""The signed assertion that upstreams may verify for themselves, with PyJWT and our published keys."""
import json
import time

import jwt
import pytest
from conftest import free_port, routes, wait_until

SPELLINGS = ["X-Auth-Assertion", "X_Auth_Assertion", "x.auth.assertion", "X-Auth_Assertion"]
NAME = "x-auth-assertion"


def conf(up, extra="", audience="", rows=("{path: /public, auth: public, upstream: up}", "{path: '/**', upstream: up}")):
    return f"auth: {{assertion: true{extra}}}\n" + routes(up, *rows)


@pytest.fixture
def gw(make_gateway, upstream):
    g = make_gateway(conf(upstream), server="  public_url: https://gw.example.com\n")
    g.alice = g.user("alice")
    g.key, g.record = g.api_key("alice")
    return g


def headers_of(gw, headers, path="/x"):
    answer = gw.request("GET", path, headers)
    assert answer.status == 200, (answer.status, answer.body)
    return [(k.lower(), v) for k, v in answer.json()["headers"]]


def assertion(gw, headers, path="/x"):
    found = [v for k, v in headers_of(gw, headers, path) if k == NAME]
    assert len(found) == 1
    return found[0]


def published(gw):
    return gw.request("GET", "/.well-known/jwks.json").json()["keys"]


def verified(gw, token, audience="up", issuer="https://gw.example.com"):
    """As an upstream would: by kid from the published keys, everything required."""
    kid = jwt.get_unverified_header(token)["kid"]
    key = [k for k in jwt.PyJWKSet.from_dict({"keys": published(gw)}).keys if k.key_id == kid]
    assert key, f"{kid} is not published"
    return jwt.decode(token, key[0].key, algorithms=["ES256", "EdDSA", "RS256"], audience=audience, issuer=issuer,
                      options={"require": ["exp", "iat", "aud", "iss", "sub"]})


def test_assertion_says_who_for_whom_and_how_long(gw):
    token = assertion(gw, {"X-API-Key": gw.key})
    claims = verified(gw, token)
    assert jwt.get_unverified_header(token)["typ"] == "postern-assertion+jwt"
    assert claims["sub"] == gw.alice["id"] and claims["username"] == "alice" and claims["roles"] == ["user"]
    assert claims["method"] == "api_key" and claims["key_id"] == gw.record["id"]
    assert claims["exp"] - claims["iat"] == 60 and abs(claims["iat"] - time.time()) < 30
    assert claims["scope"] == "read write"


def test_assertion_of_a_token_names_its_session(gw):
    token = gw.token("alice", "--scope", "read")
    claims = verified(gw, assertion(gw, {"Authorization": f"Bearer {token}"}))
    own = jwt.decode(token, options={"verify_signature": False})
    assert claims["sid"] == own["sid"] and claims["method"] == "jwt" and claims["scope"] == "read"


def test_assertion_is_for_one_upstream(make_gateway, make_upstream):
    a, b = make_upstream(), make_upstream()
    gw = make_gateway(
        "auth: {assertion: true}\n"
        f"upstreams:\n  ocr: {{servers: ['{a.url}']}}\n  llm: {{servers: ['{b.url}']}}\n"
        "routes:\n  - {path: '/a/**', upstream: ocr}\n  - {path: '/b/**', upstream: llm}\n")
    gw.user("alice")
    key = {"X-API-Key": gw.api_key("alice")[0]}
    for path, audience, other in ("/a/x", "ocr", "llm"), ("/b/x", "llm", "ocr"):
        token = assertion(gw, key, path)
        assert verified(gw, token, audience, "postern")["aud"] == audience
        with pytest.raises(jwt.InvalidAudienceError):
            verified(gw, token, other, "postern")


def test_one_user_never_gets_the_assertion_of_another(gw):
    bob = gw.user("bob")
    keys = {gw.alice["id"]: gw.key, bob["id"]: gw.api_key("bob")[0]}
    for _ in range(20):
        for user, key in keys.items():
            assert verified(gw, assertion(gw, {"X-API-Key": key}))["sub"] == user


def test_narrower_key_has_a_narrower_assertion(gw):
    narrow, _ = gw.api_key("alice", "--scope", "read")
    assert verified(gw, assertion(gw, {"X-API-Key": gw.key}))["scope"] == "read write"
    assert verified(gw, assertion(gw, {"X-API-Key": narrow}))["scope"] == "read"


def test_k12_assertion_follows_a_role_change_at_once(gw):
    assert verified(gw, assertion(gw, {"X-API-Key": gw.key}))["roles"] == ["user"]
    gw.ctl("user", "set-role", "alice", "user", "ops")
    wait_until(lambda: verified(gw, assertion(gw, {"X-API-Key": gw.key}))["roles"] == ["user", "ops"], 3, "the new role")


def test_assertion_is_signed_once_in_a_few_seconds(gw):
    tokens = {assertion(gw, {"X-API-Key": gw.key}) for _ in range(30)}
    assert len(tokens) <= 8, "two workers, and a few seconds of a slow machine"


def test_assertion_ends_with_its_credential(gw):
    token = gw.token("alice", "--ttl", "20s")
    own = jwt.decode(token, options={"verify_signature": False})
    assert verified(gw, assertion(gw, {"Authorization": f"Bearer {token}"}))["exp"] <= own["exp"]


def test_life_is_configured(make_gateway, upstream):
    gw = make_gateway(conf(upstream, ", assertion_ttl: 5m"))
    gw.user("alice")
    claims = verified(gw, assertion(gw, {"X-API-Key": gw.api_key("alice")[0]}), issuer="postern")
    assert claims["exp"] - claims["iat"] == 300


@pytest.mark.parametrize("name", SPELLINGS)
def test_h1_client_cannot_assert_anything(gw, name):
    forged = assertion(gw, {"X-API-Key": gw.key})
    bob_key = gw.user("bob") and gw.api_key("bob")[0]
    for path, headers in ("/x", {"X-API-Key": bob_key}), ("/public", {}):
        h = headers_of(gw, {**headers, name: forged}, path)
        assert forged not in [v for _, v in h], h
        assert len([k for k, _ in h if k == NAME]) == (0 if path == "/public" else 1)


def test_nobody_has_no_assertion(gw):
    assert not [k for k, _ in headers_of(gw, {}, "/public") if k == NAME]


def test_without_the_option_there_is_none(make_gateway, upstream):
    gw = make_gateway(routes(upstream))
    gw.user("alice")
    key = gw.api_key("alice")[0]
    for name in SPELLINGS:
        assert not [k for k, _ in headers_of(gw, {"X-API-Key": key, name: "x"}) if "assertion" in k]


def test_k3_assertion_is_no_access_token(make_gateway, make_upstream):
    """Not even where the upstream is called what our tokens are for."""
    up = make_upstream()
    gw = make_gateway("auth: {assertion: true}\n"
                      f"upstreams: {{postern: {{servers: ['{up.url}']}}}}\nroutes: [{{path: '/**', upstream: postern}}]\n")
    gw.user("alice")
    for headers in {"X-API-Key": gw.api_key("alice")[0]}, {"Authorization": f"Bearer {gw.token('alice')}"}:
        token = assertion(gw, headers)
        assert verified(gw, token, "postern", "postern")["aud"] == "postern"
        assert gw.request("GET", "/x", {"Authorization": f"Bearer {token}"}).status == 401


def test_rotation_changes_the_key_and_retirement_withdraws_it(gw):
    old = assertion(gw, {"X-API-Key": gw.key})
    first = jwt.get_unverified_header(old)["kid"]
    second = json.loads(gw.ctl("signing-key", "rotate", "-o", "json").stdout)["kid"]

    def signed_by_second():
        token = assertion(gw, {"X-API-Key": gw.key})
        return token if jwt.get_unverified_header(token)["kid"] == second else None
    new = wait_until(signed_by_second, 3, "an assertion by the new key")
    assert verified(gw, new)["sub"] == gw.alice["id"]
    assert verified(gw, old)["sub"] == gw.alice["id"], "what is under way still verifies"
    gw.ctl("signing-key", "retire", first, "--yes")
    wait_until(lambda: first not in [k["kid"] for k in published(gw)], 3, "the withdrawal")
    assert verified(gw, assertion(gw, {"X-API-Key": gw.key}))["sub"] == gw.alice["id"]


def test_published_keys_have_public_halves_only(gw):
    gw.ctl("signing-key", "rotate")
    for key in published(gw):
        assert set(key) <= {"kty", "kid", "use", "alg", "crv", "x", "y", "n", "e"}, key
        assert key["use"] == "sig" and key["kid"] and key["alg"]


@pytest.mark.parametrize("alg", ["ES256", "EdDSA", "RS256"])
def test_every_asymmetric_algorithm_serves(make_gateway, upstream, alg):
    gw = make_gateway(conf(upstream, f", jwt: {{algorithm: {alg}}}"))
    gw.user("alice")
    token = assertion(gw, {"X-API-Key": gw.api_key("alice")[0]})
    assert jwt.get_unverified_header(token)["alg"] == alg
    verified(gw, token, issuer="postern")
    assert gw.request("GET", "/x", {"Authorization": f"Bearer {gw.token('alice')}"}).status == 200


def test_k3_symmetric_key_is_a_complaint(make_gateway, upstream):
    """Whoever could check such an assertion could make our tokens: the file says both, so it is refused."""
    gw = make_gateway(conf(upstream))
    gw.write(conf(upstream, ", jwt: {algorithm: HS256}"))
    taken, answer = gw.reload()
    assert not taken and "assertion" in json.dumps(answer)
