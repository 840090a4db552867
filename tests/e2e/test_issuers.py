"""Tokens of other issuers: which algorithms are taken, and where the keys come from. D8, K1 to K9, RFC 8725."""
import json
import os
import signal
import time

import issuer as idp
import jwt
import pytest
from authority import Authority
from conftest import PATIENCE, Gateway, Upstream, routes, wait_until
from issuer import (ALGORITHMS, Issuer, JwksServer, auth, bearer, document, key_file, reason, seen, status,
                    until)


@pytest.fixture
def jwks_server():
    made = []

    def make(body, context=None):
        made.append(JwksServer(body, context))
        return made[-1]

    yield make
    for server in made:
        server.stop()


# ------- one static key for each algorithm -------

@pytest.fixture(scope="module")
def all_algorithms(tmp_path_factory):
    """A gateway with an issuer for each algorithm, named by it; each takes that algorithm alone."""
    folder = tmp_path_factory.mktemp("algorithms")
    issuers = {alg: Issuer(f"https://{alg}.test", alg) for alg in ALGORITHMS}
    conf = []
    for alg, i in issuers.items():
        if alg.startswith("HS"):
            conf.append(i.conf(secret=idp.SECRET))
        else:
            conf.append(i.conf(key_file=key_file(folder, f"{alg}.pem", idp.public_pem(i.key))))
    up = Upstream()
    gw = Gateway(folder, auth(*conf) + routes(up)).start()
    gw.issuers = issuers
    yield gw
    gw.stop()
    up.close()


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_static_key_verifies_its_algorithm(all_algorithms, alg):
    token = all_algorithms.issuers[alg].token(sub=f"user-of-{alg}")
    for _ in range(3):  # verified, then remembered
        assert seen(all_algorithms, token)["x-user-id"] == f"user-of-{alg}"


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_k1_only_the_listed_algorithm_is_taken(all_algorithms, alg):
    i = all_algorithms.issuers[alg]
    family = [other for other in ALGORITHMS if other[:2] == alg[:2] or {other[:2], alg[:2]} == {"RS", "PS"}]
    others = [other for other in family if other != alg and not other.startswith("ES")]
    for other in others:  # the same key, signed with it in another way
        assert status(all_algorithms, i.token(alg=other)) == 401, other
    for other in ALGORITHMS:  # another key of another kind
        if other != alg:
            assert status(all_algorithms, i.token(alg=other, key=idp.make_key(other))) == 401, other


@pytest.mark.parametrize("alg", [a for a in ALGORITHMS if not a.startswith("HS")])
def test_k1_public_key_is_no_hmac_secret(all_algorithms, alg):
    i = all_algorithms.issuers[alg]
    head = jwt.utils.base64url_encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    body = jwt.utils.base64url_encode(json.dumps(i.claims()).encode())
    for secret in (idp.public_pem(i.key), json.dumps(i.jwk)):
        mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(head + b"." + body, secret.encode())
        token = b".".join([head, body, jwt.utils.base64url_encode(mac)]).decode()
        assert status(all_algorithms, token) == 401


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_changed_signature_and_changed_claims_are_refused(all_algorithms, alg):
    token = all_algorithms.issuers[alg].token()
    assert status(all_algorithms, token) == 200
    head, body, signature = token.split(".")
    raw = bytearray(jwt.utils.base64url_decode(signature))
    raw[len(raw) // 2] ^= 1
    other = jwt.utils.base64url_encode(json.dumps(all_algorithms.issuers[alg].claims(sub="admin")).encode()).decode()
    assert status(all_algorithms, f"{head}.{body}.{jwt.utils.base64url_encode(bytes(raw)).decode()}") == 401
    assert status(all_algorithms, f"{head}.{other}.{signature}") == 401
    assert status(all_algorithms, f"{head}.{body}.") == 401


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
def test_k1_none_is_unknown(all_algorithms, alg):
    head = jwt.utils.base64url_encode(json.dumps({"alg": alg, "typ": "JWT"}).encode()).decode()
    body = jwt.utils.base64url_encode(json.dumps(all_algorithms.issuers["ES256"].claims()).encode()).decode()
    for signature in "", "AAAA":
        assert status(all_algorithms, f"{head}.{body}.{signature}") == 401


def test_token_of_one_issuer_with_the_key_of_another(all_algorithms):
    a, b = all_algorithms.issuers["RS256"], all_algorithms.issuers["ES256"]
    assert status(all_algorithms, b.token(iss=a.name)) == 401
    assert status(all_algorithms, a.token(iss=b.name)) == 401
    assert status(all_algorithms, b.token(iss="https://nobody.test")) == 401
    assert status(all_algorithms, b.token(iss=None)) == 401
    assert status(all_algorithms, b.token(iss="postern")) == 401, "ours are signed by our keys"


def test_algorithms_of_the_wrong_kind_are_complaints(make_gateway, upstream, tmp_path):
    pem = key_file(tmp_path, "k.pem", idp.public_pem(idp.make_key("ES256")))
    rows = [
        {"algorithms": ["HS256"], "key_file": pem}, {"algorithms": ["RS256"], "secret": idp.SECRET},
        {"algorithms": ["none"], "key_file": pem}, {"algorithms": ["RS256"], "key_file": pem},
        {"algorithms": ["HS512"], "secret": "short"}, {"algorithms": [], "key_file": pem},
        {"algorithms": ["ES256"]}, {"algorithms": ["ES256"], "jwks_url": "http://idp.example.com/jwks"},
        {"algorithms": ["ES256"], "key_file": str(tmp_path / "absent.pem")},
    ]
    good = {"issuer": "https://idp.test", "audience": ["ml"], "algorithms": ["ES256"], "key_file": pem}
    gw = make_gateway(auth(good) + routes(upstream))
    for row in rows:
        gw.write(auth({"issuer": "https://idp.test", "audience": ["ml"], **row}) + routes(upstream))
        taken, answer = gw.reload()
        assert not taken, row
    gw.write(auth({**good, "audience": []}) + routes(upstream))
    assert not gw.reload()[0], "without an audience tokens for others would be taken"


# ------- a JWKS file -------

@pytest.fixture
def with_file(make_gateway, upstream, tmp_path):
    """A gateway whose issuer's keys are in gw.document, written by gw.publish()."""
    i = Issuer()
    path = tmp_path / "jwks.json"
    path.write_bytes(document(i.jwk))
    gw = make_gateway(auth(i.conf(jwks_file=str(path))) + routes(upstream))
    gw.issuer, gw.document = i, path
    return gw


def test_jwks_file_is_read_again_at_a_reload(with_file):
    gw, i = with_file, with_file.issuer
    old = i.token()
    until(gw, old, 200)
    i.rotate("k2")
    new = i.token()
    gw.document.write_bytes(document(i.jwk))
    assert status(gw, new) == 401 and status(gw, old) == 200, "nothing changes before the reload"
    assert gw.reload()[0]
    until(gw, new, 200)
    until(gw, old, 401)  # although it was remembered as verified


def test_broken_jwks_file_refuses_the_reload_and_keeps_the_keys(with_file):
    gw, token = with_file, with_file.issuer.token()
    for text in b"{", b'{"keys": []}', b"[]", document({"kty": "oct", "k": "AAAA", "kid": "k1"}):
        gw.document.write_bytes(text)
        taken, answer = gw.reload()
        assert not taken and "https://idp.test" in json.dumps(answer), answer
        assert status(gw, token) == 200
    gw.document.unlink()
    assert not gw.reload()[0] and status(gw, token) == 200


def test_k1_symmetric_key_in_a_jwks_is_passed_over(make_gateway, upstream, tmp_path):
    i, secret = Issuer(), "s" * 64
    oct_key = {"kty": "oct", "kid": "h1", "alg": "HS256", "k": jwt.utils.base64url_encode(secret.encode()).decode()}
    path = tmp_path / "jwks.json"
    path.write_bytes(document(oct_key, i.jwk))
    gw = make_gateway(auth(i.conf(jwks_file=str(path))) + routes(upstream))
    assert status(gw, i.token()) == 200
    assert status(gw, i.token(headers={"kid": "h1"}, key=secret, alg="HS256")) == 401


def test_reload_that_narrows_an_issuer_ends_remembered_tokens(make_gateway, upstream, tmp_path):
    pem = key_file(tmp_path, "k.pem", idp.public_pem(idp.make_key("RS256")))
    i = Issuer(alg="RS256")
    wide = i.conf(key_file=pem)
    gw = make_gateway(auth(wide) + routes(upstream))
    for narrow in (
        auth({**wide, "audience": ["other"]}), auth({**wide, "algorithms": ["PS256"]}), auth(),
        auth({**wide, "types": ["at+jwt"]}), auth({**wide, "user_claim": "email"}),
    ):
        gw.write(auth(wide) + routes(upstream))
        assert gw.reload()[0]
        token = i.token()
        until(gw, token, 200)
        gw.write(narrow + routes(upstream))
        assert gw.reload()[0]
        until(gw, token, 401)


# ------- a JWKS URL -------

@pytest.fixture
def by_url(make_gateway, upstream, jwks_server, tmp_path):
    """make(...) -> a gateway whose issuer's keys come over TLS from gw.server, signed by our own authority."""
    trusted = Authority(tmp_path)

    def make(behaviour=idp.give_document, ca=None, **conf):
        i = Issuer()
        server = jwks_server(document(i.jwk), trusted.server_context())
        server.behaviour = behaviour
        gw = make_gateway(auth(i.conf(jwks_url=server.url, ca=str(ca or trusted.pem), **conf)) + routes(upstream))
        gw.issuer, gw.server = i, server
        return gw

    return make


def failures(gw):
    return gw.process.text().count("issuer.fetch_failed")


def test_keys_are_fetched_over_tls_in_the_background(by_url):
    gw = by_url()
    until(gw, gw.issuer.token(), 200)
    assert len(gw.server.fetches) == 1
    assert all(status(gw, gw.issuer.token(jti=str(n))) == 200 for n in range(20))
    assert len(gw.server.fetches) == 1


def test_server_of_another_authority_is_not_believed(by_url, tmp_path):
    gw = by_url(ca=Authority(tmp_path, "Somebody else", "other.pem").pem)
    wait_until(lambda: failures(gw) > 0, what="the failed fetch")
    assert status(gw, gw.issuer.token()) == 503
    assert not gw.server.fetches, "nothing was asked for on that connection"


def test_server_with_another_name_is_not_believed(make_gateway, upstream, jwks_server, tmp_path):
    i, trusted = Issuer(), Authority(tmp_path)
    context = trusted.server_context("idp.example.com", ip=())
    server = jwks_server(document(i.jwk), context)
    gw = make_gateway(auth(i.conf(jwks_url=server.url, ca=str(trusted.pem))) + routes(upstream))
    wait_until(lambda: failures(gw) > 0, what="the failed fetch")
    assert status(gw, i.token()) == 503 and not server.fetches


def test_before_the_first_fetch_a_token_is_neither_good_nor_bad(by_url):
    gw = by_url(idp.give_nothing)
    wait_until(lambda: gw.server.fetches, what="the fetch")
    answer = gw.request("GET", "/x", bearer(gw.issuer.token()))
    assert answer.status == 503 and int(answer.headers["retry-after"]) >= 1
    key = gw.user("alice") and gw.api_key("alice")[0]
    assert gw.request("GET", "/x", {"X-API-Key": key}).status == 200, "others do not wait for that server"


def test_first_fetch_is_repeated_until_it_succeeds(by_url):
    gw = by_url(idp.give_error, cooldown="1s")
    wait_until(lambda: failures(gw) >= 2, 20, "two failures")
    gw.server.behaviour = idp.give_document
    until(gw, gw.issuer.token(), 200, 30)


def test_k8_unknown_kid_is_one_fetch_then_a_rest(by_url):
    gw = by_url(cooldown="60s")
    until(gw, gw.issuer.token(), 200)
    for n in range(100):
        assert status(gw, gw.issuer.token(headers={"kid": f"made-up-{n}"})) == 401
    assert len(gw.server.fetches) == 1, "within the cool-down of the first fetch nothing is fetched"
    assert status(gw, gw.issuer.token()) == 200, "and the known key is not locked out"


def test_k8_flood_of_unknown_kids_fetches_once_a_cooldown(by_url):
    gw = by_url(cooldown="2s")
    until(gw, gw.issuer.token(), 200)
    began = time.monotonic()
    while time.monotonic() - began < 5:
        assert status(gw, gw.issuer.token(headers={"kid": f"k{time.monotonic()}"})) == 401
    gaps = [b - a for a, b in zip(gw.server.fetches, gw.server.fetches[1:])]
    assert gaps, "an unknown kid is worth a fetch"
    assert min(gaps) > 1.9, gaps
    assert status(gw, gw.issuer.token()) == 200


def test_rotated_keys_are_found_by_their_kid(by_url):
    gw = by_url(cooldown="1s")
    old = gw.issuer.token()
    until(gw, old, 200)
    gw.issuer.rotate("k2")
    gw.server.body = document(gw.issuer.jwk)
    new = gw.issuer.token()
    assert status(gw, new) in (401, 200)
    until(gw, new, 200)
    until(gw, old, 401)  # the old key is gone from the document, and with it what it had proved
    assert reason(gw) == "kid_unknown"


def test_same_document_again_changes_nothing(by_url):
    gw = by_url(cooldown="1s")
    token = gw.issuer.token()
    until(gw, token, 200)
    def fetched_again():
        status(gw, gw.issuer.token(headers={"kid": "unknown"}))
        return len(gw.server.fetches) > 1
    wait_until(fetched_again, what="the second fetch")
    assert status(gw, token) == 200
    assert gw.process.text().count("issuer.keys_changed") == 1


BROKEN = [idp.give_error, idp.give_junk, idp.give_no_keys, idp.give_redirect, idp.give_too_much,
          idp.give_too_much_unannounced, idp.give_half]


@pytest.mark.parametrize("behaviour", BROKEN, ids=lambda b: b.__name__)
def test_k9_known_keys_outlive_a_broken_server(by_url, behaviour):
    gw = by_url(cooldown="1s")
    old = gw.issuer.token()
    until(gw, old, 200)
    gw.server.behaviour = behaviour
    known, kid = gw.issuer.key, gw.issuer.kid
    gw.issuer.rotate("k2")
    gw.server.body = document(gw.issuer.jwk)
    new = gw.issuer.token()

    def failed_twice():
        assert status(gw, new) == 401
        return failures(gw) >= 2
    wait_until(failed_twice, 20, "two failures")
    assert status(gw, old) == 200
    assert status(gw, gw.issuer.token(headers={"kid": kid}, key=known, sub="not seen before")) == 200
    assert not gw.server.elsewhere, "a redirect is not followed"
    gw.server.behaviour = idp.give_document
    until(gw, new, 200, 30)


def test_k9_known_keys_outlive_a_server_that_is_down(by_url):
    gw = by_url(cooldown="1s")
    old = gw.issuer.token()
    until(gw, old, 200)
    gw.server.stop()
    gw.issuer.rotate("k2")
    gw.server.body = document(gw.issuer.jwk)
    new = gw.issuer.token()

    def failed():
        assert status(gw, new) == 401 and status(gw, old) == 200
        return failures(gw) >= 1
    wait_until(failed, 20, "the failed fetch")
    gw.server.start()
    until(gw, new, 200, 30)


def test_k9_known_keys_do_not_wait_for_a_silent_server(by_url):
    gw = by_url(cooldown="1s")
    until(gw, gw.issuer.token(), 200)
    gw.server.behaviour = idp.give_nothing

    def is_asked():
        assert status(gw, gw.issuer.token(headers={"kid": "unknown"})) == 401
        return len(gw.server.fetches) >= 2
    wait_until(is_asked, what="the second fetch")
    for n in range(20):
        assert status(gw, gw.issuer.token(jti=str(n))) == 200
    assert len(gw.server.fetches) == 2, "one in flight at a time"


def test_reload_with_another_url_forgets_the_keys_of_the_first(by_url, jwks_server, upstream):
    gw = by_url()
    old = gw.issuer.token()
    until(gw, old, 200)
    gw.issuer.rotate("k2")
    plain = jwks_server(document(gw.issuer.jwk))  # http to loopback is taken
    gw.write(auth(gw.issuer.conf(jwks_url=plain.url)) + routes(upstream))
    assert gw.reload()[0]
    until(gw, gw.issuer.token(), 200)
    assert status(gw, old) == 401


def test_reload_with_the_same_url_keeps_the_keys_and_fetches_nothing(by_url):
    gw = by_url()
    token = gw.issuer.token()
    until(gw, token, 200)
    gw.server.stop()
    for _ in range(3):
        assert gw.reload()[0]
        assert status(gw, token) == 200
    assert len(gw.server.fetches) == 1


def test_k2_keys_named_by_a_token_are_never_fetched(by_url, jwks_server):
    gw = by_url()
    until(gw, gw.issuer.token(), 200)
    lure = jwks_server(document(gw.issuer.jwk))
    for header in ({"jku": lure.url}, {"x5u": lure.url}, {"jwk": gw.issuer.jwk}, {"x5c": ["AAAA"]},
                   {"crit": ["exp"], "exp": 1}, {"b64": False}, {"zip": "DEF"}):
        assert status(gw, gw.issuer.token(headers=header)) == 401, header
    assert not lure.fetches and not lure.elsewhere


# ------- two issuers -------

def test_two_issuers_with_the_same_kid_do_not_meet(make_gateway, upstream, jwks_server):
    a, b = Issuer("https://a.test"), Issuer("https://b.test")
    assert a.kid == b.kid
    servers = [jwks_server(document(i.jwk)) for i in (a, b)]
    gw = make_gateway(auth(*[
        i.conf(jwks_url=s.url, user_prefix=f"{n}|") for i, s, n in zip((a, b), servers, "ab")
    ]) + routes(upstream))
    until(gw, a.token(), 200)
    until(gw, b.token(), 200)
    assert seen(gw, a.token())["x-user-id"] == "a|ext-1"
    assert seen(gw, b.token())["x-user-id"] == "b|ext-1"
    assert status(gw, a.token(iss=b.name)) == 401
    assert status(gw, b.token(iss=a.name)) == 401


def test_one_issuer_without_keys_does_not_disturb_the_other(make_gateway, upstream, jwks_server):
    a, b = Issuer("https://a.test"), Issuer("https://b.test")
    good, silent = jwks_server(document(a.jwk)), jwks_server(document(b.jwk))
    silent.behaviour = idp.give_nothing
    gw = make_gateway(auth(a.conf(jwks_url=good.url), b.conf(jwks_url=silent.url)) + routes(upstream))
    until(gw, a.token(), 200)
    assert status(gw, b.token()) == 503


# ------- what depends on the store, and what ends with the token -------

def test_g10_foreign_token_needs_no_store(make_gateway, upstream, redis, tmp_path):
    i = Issuer()
    pem = key_file(tmp_path, "k.pem", idp.public_pem(i.key))
    gw = make_gateway(f"redis: {{url: '{redis.url}'}}\n" + auth(i.conf(key_file=pem)) + routes(upstream))
    os.kill(redis.process.pid, signal.SIGSTOP)
    try:
        assert status(gw, i.token()) == 200
        assert status(gw, i.token(exp=1)) == 401
    finally:
        os.kill(redis.process.pid, signal.SIGCONT)


def test_event_stream_ends_with_its_token(make_gateway, make_upstream, tmp_path):
    def endless(request, conn):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(1200):
            conn.sendall(b"9\r\ndata: x\n\n\r\n")
            time.sleep(0.05)
        return "close"

    i = Issuer()
    pem = key_file(tmp_path, "k.pem", idp.public_pem(i.key))
    gw = make_gateway(auth(i.conf(key_file=pem, leeway="0s")) + routes(make_upstream(endless)))
    ends = int(time.time()) + 4
    s = gw.connect(30)
    s.sendall(f"GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {i.token(exp=ends)}\r\n\r\n".encode())
    received = b""
    try:
        while piece := s.recv(65536):
            received += piece
            assert time.time() < ends + 10 * PATIENCE, "the stream outlived its token"
    except OSError:
        pass
    assert b"data: x" in received and time.time() >= ends
