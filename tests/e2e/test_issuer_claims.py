"""Tokens of other issuers: whom they name, what they open, for whom and how long. RFC 7519, RFC 8725."""
import json
import time

import issuer as idp
import jwt
import pytest
from conftest import routes
from issuer import Issuer, auth, bearer, key_file, reason, seen, status


# ------- claims -------

@pytest.fixture
def claims(make_gateway, upstream, tmp_path):
    """make(**conf) -> a gateway that takes the tokens of gw.issuer under these settings."""
    def make(**conf):
        i = Issuer()
        pem = key_file(tmp_path, "k.pem", idp.public_pem(i.key))
        gw = make_gateway(auth(i.conf(key_file=pem, **conf)) + routes(
            upstream, "{path: /admin, roles: [admin], upstream: up}",
            "{path: /ocr, scopes: [ocr], upstream: up}", "{path: /**, upstream: up}"))
        gw.issuer = i
        return gw
    return make


def test_claims_become_headers(claims):
    gw = claims()
    h = seen(gw, gw.issuer.token(sub="ext-7", preferred_username="Ada Example", roles=["user", "ops"]))
    assert h["x-user-id"] == "ext-7" and h["x-user-name"] == "Ada Example"
    assert h["x-user-roles"] == "user,ops" and h["x-auth-method"] == "jwt"
    assert "x-auth-scopes" not in h


def test_mapped_claims_are_found_by_path(claims):
    gw = claims(user_claim="ids.number", user_prefix="idp:", name_claim="mail", roles_claim="realm_access.roles",
                scopes_claim="scp")
    h = seen(gw, gw.issuer.token(ids={"number": 4711}, mail="a@example.com", realm_access={"roles": ["user"]},
                                 scp=["read", "ocr"]))
    assert h["x-user-id"] == "idp:4711" and h["x-user-name"] == "a@example.com"
    assert h["x-user-roles"] == "user" and h["x-auth-scopes"] == "read ocr"
    assert status(gw, gw.issuer.token()) == 401, "sub does not stand in for the claim that was asked for"


def test_member_with_a_dot_in_its_name_comes_first(claims):
    gw = claims(roles_claim="https://example.com/roles")
    assert seen(gw, gw.issuer.token(**{"https://example.com/roles": "ops"}))["x-user-roles"] == "ops"


def test_default_roles_are_for_tokens_that_say_nothing(claims):
    gw = claims(default_roles=["guest"])
    assert seen(gw, gw.issuer.token())["x-user-roles"] == "guest"
    assert seen(gw, gw.issuer.token(roles=[]))["x-user-roles"] == ""
    assert seen(gw, gw.issuer.token(roles="ops"))["x-user-roles"] == "ops"


def test_roles_open_routes(claims):
    gw = claims()
    assert gw.request("GET", "/admin", bearer(gw.issuer.token(roles=["user"]))).status == 403
    assert gw.request("GET", "/admin", bearer(gw.issuer.token(roles=["admin"]))).status == 200
    assert gw.request("GET", "/admin", bearer(gw.issuer.token(roles={"admin": True}))).status == 403


@pytest.mark.parametrize("scope,get,post,ocr", [
    (None, 200, 200, 200), ("openid profile", 403, 403, 403), ("read", 200, 403, 403), ("write ocr", 403, 200, 403),
    ("read ocr", 200, 403, 200), ("", 403, 403, 403), ([], 403, 403, 403), (["read", "write"], 200, 200, 403),
    (7, 403, 403, 403),
])
def test_scope_claim_binds_the_token(claims, scope, get, post, ocr):
    gw = claims()
    token = gw.issuer.token(scope=scope)
    assert (status(gw, token), status(gw, token, "POST")) == (get, post)
    assert gw.request("GET", "/ocr", bearer(token)).status == ocr


def test_empty_scopes_claim_switches_that_off(claims):
    gw = claims(scopes_claim="")
    token = gw.issuer.token(scope="openid profile")
    assert status(gw, token) == 200 and status(gw, token, "POST") == 200
    assert "x-auth-scopes" not in seen(gw, token)


@pytest.mark.parametrize("sub", [
    None, "", " ", " padded", "usr_0123456789", "USR_x", "line\nbreak", "tab\tin", "nul\0in", "del\x7f", "x" * 256, {"a": 1},
])
def test_user_id_that_is_none_of_a_stranger_is_refused(claims, sub):
    gw = claims()
    i = gw.issuer
    body = {**i.claims(), "sub": sub}
    if sub is None:
        del body["sub"]
    head = {"alg": i.alg, "typ": "JWT", "kid": i.kid}
    parts = [jwt.utils.base64url_encode(json.dumps(p).encode()) for p in (head, body)]
    signature = jwt.algorithms.get_default_algorithms()[i.alg].sign(b".".join(parts), i.key)
    token = b".".join(parts + [jwt.utils.base64url_encode(signature)]).decode()
    assert status(gw, token) == 401


def test_name_that_no_header_can_carry_is_left_out(claims):
    gw = claims()
    assert "x-user-name" not in seen(gw, gw.issuer.token(preferred_username="a\r\nX-User-Id: admin"))


def test_utf8_name_arrives_as_it_is(claims):
    gw = claims()
    name = seen(gw, gw.issuer.token(preferred_username="Zoë"))["x-user-name"]
    assert name.encode("latin-1").decode() == "Zoë"


# ------- audience, type, time -------

def test_audience_must_name_us(claims):
    gw = claims(audience=["ml", "gpu"])
    for aud in "ml", "gpu", ["other", "gpu"]:
        assert status(gw, gw.issuer.token(aud=aud)) == 200, aud
    for aud in None, "other", [], ["other"], "ML", "ml ", ["ml", 7]:
        assert status(gw, gw.issuer.token(aud=aud)) == 401, aud


def test_k2_type_must_be_one_of_an_access_token(claims):
    gw = claims()
    for typ in "JWT", "jwt", "at+jwt", "application/at+jwt", None:
        assert status(gw, gw.issuer.token(headers={"typ": typ})) == 200, typ
    for typ in "logout+jwt", "dpop+jwt", "id+jwt", "postern-assertion+jwt":
        assert status(gw, gw.issuer.token(headers={"typ": typ})) == 401, typ


def test_k2_types_of_the_configuration_are_the_only_ones(claims):
    gw = claims(types=["at+jwt"])
    assert status(gw, gw.issuer.token(headers={"typ": "at+jwt"})) == 200
    assert status(gw, gw.issuer.token()) == 401
    token = gw.issuer.token(headers={"typ": None})
    assert status(gw, token) == 401


def test_leeway_is_for_both_ends(claims):
    gw = claims(leeway="60s")
    now = int(time.time())
    for good in {"exp": now - 20}, {"nbf": now + 20}, {"iat": now + 20}, {"exp": now + 600.5}, {"iat": None}:
        assert status(gw, gw.issuer.token(**good)) == 200, good
    for bad in ({"exp": now - 70}, {"nbf": now + 100}, {"iat": now + 100}, {"exp": None}, {"exp": now * 1000},
                {"exp": -1}):
        assert status(gw, gw.issuer.token(**bad)) == 401, bad


def test_remembered_token_ends_with_its_exp(claims):
    gw = claims(leeway="0s")
    token = gw.issuer.token(exp=int(time.time()) + 3)
    assert status(gw, token) == 200
    while time.time() < jwt.decode(token, options={"verify_signature": False})["exp"]:
        time.sleep(0.05)
    assert status(gw, token) == 401
    assert reason(gw) == "token_expired"


def test_k10_remembered_token_is_remembered_whole(claims):
    gw = claims()
    a, b = gw.issuer.token(sub="a"), gw.issuer.token(sub="b")
    for _ in range(3):
        assert seen(gw, a)["x-user-id"] == "a" and seen(gw, b)["x-user-id"] == "b"
    head, body, signature = a.split(".")
    assert status(gw, f"{head}.{body}.{b.split('.')[2]}") == 401
    assert status(gw, f"{head}.{b.split('.')[1]}.{signature}") == 401


def test_k11_one_body_for_every_refusal(claims):
    gw = claims()
    i = gw.issuer
    bodies = set()
    for token in (i.token(exp=1), i.token(aud="x"), i.token(iss="x"), i.token(headers={"typ": "dpop+jwt"}),
                  i.token(key=idp.make_key("ES256")), i.token(sub="usr_1")):
        answer = gw.request("GET", "/x", bearer(token))
        body = answer.json()
        assert answer.status == 401, (token, answer.body)
        body.pop("request_id"), body["error"].pop("request_id")
        bodies.add((answer.status, json.dumps(body), answer.headers["www-authenticate"]))
    assert len(bodies) == 1, bodies
