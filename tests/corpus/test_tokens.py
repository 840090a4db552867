"""
Every case of tests/corpus/tokens against the daemon: goals G4 and G5 of the threat model.

A case is a file. What is sent: `key`, `alg`, `header`, `claims`, `sign`, `signature`,
`text`, `verbatim` make ${token} (token_build.py); `send` are the raw header lines
(Authorization: Bearer ${token} when it is left out) and `target` what follows the path.
What must happen: `expect` with status and, where they say more,
    code       of the problem; 401 is "unauthenticated", 400 "credential_ambiguous"
    reason     the stable word in the audit log, never in the answer
    user       X-User-Id as the upstream saw it, "@alice" for the id of our own alice
    headers    other fields the upstream saw; null when it must not see one
`why` names the clause or the incident. Cases with `issuer` are about keys: that
issuer is loaded by a reload, which must be `taken` or `refused`; then the token is tried.
"""
import json
import pathlib
import re

import pytest
import yaml
from corpus import Rig  # first: it makes the daemon's fixtures importable
from conftest import wait_until
from token_build import Builder, KeyRing

CASES = pathlib.Path(__file__).parent / "tokens"
PRINTED = yaml.safe_load((CASES / "rfc-keys.yaml").read_text())


def load(path):
    case = yaml.safe_load(path.read_text())
    case["id"] = f"{path.parent.name}/{path.stem}"
    assert case.get("why") and "expect" in case, f"{path}: a case says why and what"
    return case


ALL = [load(p) for p in sorted(CASES.glob("*/*.yaml"))]


def cases(of_keys):
    return [pytest.param(c, id=c["id"]) for c in ALL if ("issuer" in c) == of_keys]


ISSUERS = """
    - {{issuer: https://keys.test, audience: [ml, ml2], jwks_file: {dir}/keys.json,
       algorithms: [RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA]}}
    - {{issuer: https://narrow.test, audience: [ml], jwks_file: {dir}/keys.json, algorithms: [ES256]}}
    - {{issuer: https://hs.test, audience: [ml], secret: 'file:{dir}/hs.txt', algorithms: [HS256, HS384, HS512], user_prefix: 'hs:'}}
    - {{issuer: https://pem.test, audience: [ml], key_file: {dir}/rsa.pem, algorithms: [RS256]}}
    - {{issuer: https://pem-ec.test, audience: [ml], key_file: {dir}/ec256.pem, algorithms: [ES256]}}
    - {{issuer: https://typed.test, audience: [ml], jwks_file: {dir}/keys.json, algorithms: [ES256], types: [at+jwt], leeway: 0s}}
    - {{issuer: https://claims.test, audience: [ml], jwks_file: {dir}/keys.json, algorithms: [ES256], user_claim: account.id,
       user_prefix: 'kc|', roles_claim: realm_access.roles, scopes_claim: scp, name_claim: email, default_roles: [guest]}}
    - {{issuer: joe, audience: [ml], jwks_file: {dir}/joe.json, algorithms: [RS256, ES256, ES512, EdDSA]}}
    - {{issuer: https://hobbiton.example, audience: [ml], jwks_file: {dir}/hobbiton.json, algorithms: [RS256, PS384, ES512]}}
    - {{issuer: https://hobbiton-mac.example, audience: [ml], secret: 'file:{dir}/hobbiton.txt', algorithms: [HS256]}}
"""
ROUTES = """
upstreams:
  up: {servers: ['%(url)s']}
routes:
  - {path: /probe/**, auth: public, upstream: up}
  - {path: /public/**, auth: public, upstream: up}
  - {path: /maybe/**, auth: optional, upstream: up}
  - {path: /admin/**, roles: [admin], upstream: up}
  - {path: /keys-only/**, methods_auth: [api_key], upstream: up}
  - {path: /jwt-only/**, methods_auth: [jwt], upstream: up}
  - {path: /**, upstream: up}
"""


class Bench:
    """A daemon behind which everything is recorded, and every credential that a case can name."""

    def __init__(self, folder):
        self.folder = folder
        self.keys = KeyRing(PRINTED)
        self.builder = Builder(self.keys, self.value)
        self.known = {}
        self.sent = []  # what must never be seen in a log
        self.write_keys()
        self.rig = Rig(folder, self.conf())
        self.gw = self.rig.gw
        self.make_people()

    def write(self, name, data):
        path = self.folder / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        path.chmod(0o600)

    def write_keys(self):
        k = self.keys
        odd = [("ec256_space", "a key"), ("ec256_snow", "☃ key"), ("ec256_path", "../../../../dev/null")]
        self.write("keys.json", json.dumps({"keys": [
            k.jwk("rsa", kid="rsa"), k.jwk("rsa_bound", kid="rsa_bound", alg="RS256", use="sig"),
            k.jwk("rsa_pss", kid="rsa_pss", alg="PS256"), k.jwk("rsa3072", kid="rsa3072"), k.jwk("rsae3", kid="rsae3"),
            *(k.jwk(n, kid=n) for n in ("ec256", "ec384", "ec521", "ed")),
            *(k.jwk(n, kid=kid) for n, kid in odd),
        ]}))
        self.write("joe.json", json.dumps({"keys": [k.jwk(n) for n in ("rfc7515-a2", "rfc7515-a3", "rfc7515-a4", "rfc8037")]}))
        self.write("hobbiton.json", json.dumps({"keys": [
            {**k.jwk("rfc7520-rsa"), "kid": "bilbo.baggins@hobbiton.example", "use": "sig"},
            {**k.jwk("rfc7520-ec"), "kid": "bilbo.baggins@hobbiton.example.ec", "use": "sig"}]}))
        self.write("hobbiton.txt", k.get("rfc7520-mac"))
        self.write("hs.txt", k.get("hs"))
        self.write("rsa.pem", k.text("pem", "rsa"))
        self.write("ec256.pem", k.text("pem", "ec256"))

    def conf(self, issuers=""):
        return ("auth:\n  assertion: true\n  jwt: {issuer: https://gw.test}\n  issuers:\n"
                + ISSUERS.format(dir=self.folder) + issuers + ROUTES)

    def make_people(self):
        gw, known = self.gw, self.known
        for name in "alice", "bob", "carol":
            known[f"uid:{name}"] = gw.user(name)["id"]
            known[f"own:{name}"] = gw.token(name)
            known[f"opaque:{name}"] = gw.token(name, "--opaque")
            known[f"apikey:{name}"] = gw.api_key(name)[0]
        for name, flags in {"reader": ["--scope", "read"], "elsewhere": ["--allow-ip", "10.0.0.0/8"],
                            "here": ["--allow-ip", "127.0.0.0/8"], "brief": ["--expires-in", "1s"]}.items():
            known[f"apikey:{name}"] = gw.api_key("alice", *flags)[0]
        known["own:short"] = gw.token("alice", "--ttl", "1s")
        known["apikey:revoked"], record = gw.api_key("alice")
        gw.ctl("key", "revoke", record["id"], "--yes")
        known["apikey:old"], record = gw.api_key("alice")
        known["apikey:rotated"] = json.loads(gw.ctl("key", "rotate", record["id"], "--grace", "0s", "-o", "json").stdout)["api_key"]
        known["opaque:ended"] = gw.token("bob", "--opaque")
        known["own:ended"] = gw.token("bob")
        gw.ctl("session", "revoke", "--user", "bob", "--yes")
        gw.ctl("user", "disable", "carol", "--yes")
        known["own:alice2"] = gw.token("alice", "--scope", "read")
        own = gw.request("GET", "/.well-known/jwks.json").json()["keys"][0]
        known["own-kid:"], known["own-jwk:"] = own["kid"], json.dumps(own)
        for line in "X-API-Key: " + known["apikey:brief"], "Authorization: Bearer " + known["own:short"]:
            wait_until(lambda: self.ask(line).status == 401, 5, "the end of a credential")
        self.ask("X-API-Key: " + known["apikey:alice"])
        (known["assertion:"],) = self.rig.upstream.requests[-1].values("x-auth-assertion")

    def value(self, name, what):
        known = self.known.get(f"{name}:{what}")
        if name == "own-part":  # of our own token: its header, payload or signature
            who, _, part = what.partition(".")
            known = self.known[f"own:{who}"].split(".")[int(part)]
        return known.encode() if known is not None else None

    def ask(self, line):
        return self.rig.play(request_of("GET", b"/", [line.encode()]))[0].answers[0]

    def reason(self, request_id):
        """Why, from the audit log: the answer never says."""
        def find():
            for line in reversed(self.gw.audit_lines()):
                if line.get("request_id") == request_id:
                    return line
            return None
        return wait_until(find, 5, f"the audit line of {request_id}")


def request_of(method, target, lines):
    head = [method.encode() + b" " + target + b" HTTP/1.1", b"Host: localhost", b"Connection: close", *lines]
    return b"\r\n".join(head) + b"\r\n\r\n"


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    b = Bench(tmp_path_factory.mktemp("tokens"))
    yield b
    b.rig.close()


def send(bench, case):
    """(answer, header lines sent, what the upstream saw)."""
    path = case.get("path", "/t/") + re.sub(r"[^a-z0-9-]", "-", case["id"])
    token = bench.builder.token(case)
    bench.builder.known["token"] = token
    bench.sent.append(token)
    target = path.encode() + bench.builder.fill(case.get("target", ""))
    lines = [bench.builder.fill(line) for line in case.get("send", ["Authorization: Bearer ${token}"])]
    expect = case["expect"]
    outcome, seen = bench.rig.check(
        request_of(case.get("method", "GET"), target, lines),
        {"status": expect["status"], "closes": True, "forwarded": 1 if expect["status"] == 200 else 0})
    return outcome.answers[0], lines, seen


def check_refusal(bench, case, answer, lines):
    expect, code = case["expect"], case["expect"].get("code")
    status = expect["status"]
    code = code or {401: "unauthenticated", 400: "credential_ambiguous", 403: "forbidden"}[status]
    body = json.loads(answer.body)
    (request_id,) = answer.values("x-request-id")
    assert set(body) == {"type", "title", "status", "detail", "request_id", "error"}
    assert set(body["error"]) == {"message", "type", "param", "code", "request_id"}
    assert body["type"] == f"urn:postern:problem:{code}" and body["error"]["code"] == code
    assert body["status"] == status and body["request_id"] == body["error"]["request_id"] == request_id
    if status == 401:
        assert body["detail"] == body["title"] == body["error"]["message"], "one body for every 401"
        head = lines[:lines.index(b"")] if b"" in lines else lines  # behind an empty line: the body
        shown = any(re.match(rb"(?i)(authorization|x-api-key):", line) for line in head)
        challenge = 'Bearer realm="postern"' + (', error="invalid_token"' if shown else "")
        assert answer.values("www-authenticate") == [challenge]
    if "reason" in expect:
        assert bench.reason(request_id)["detail"] == expect["reason"]


def check_grant(bench, case, seen):
    expect = case["expect"]
    for name, value in {"x-user-id": expect.get("user", "alice"), **expect.get("headers", {})}.items():
        if value is not None and value.startswith("@"):
            value = bench.known["uid:" + value[1:]]
        # The recorder reads bytes as latin-1.
        assert seen.values(name) == ([] if value is None else [value.encode().decode("latin-1")]), name
    assert not seen.values("authorization") and not seen.values("x-api-key"), "the credential stays here (H12)"


def play(bench, case):
    answer, lines, seen = send(bench, case)
    if case["expect"]["status"] == 200:
        check_grant(bench, case, seen[0])
    else:
        check_refusal(bench, case, answer, lines)


@pytest.mark.parametrize("case", cases(of_keys=False))
def test_tokens(bench, case):
    play(bench, case)


def test_h13_k11_no_token_of_the_corpus_is_in_a_log(bench):
    for case in [c for c in ALL if c["id"].startswith(("good/", "sig/"))][::3]:  # also when run alone
        send(bench, case)
    tails = {token[-24:] for token in bench.sent if len(token) > 60 and re.fullmatch(rb"[\w.-]+", token)}
    assert len(tails) > 20
    for name in "access.log", "audit.log", "postern.log":
        text = (bench.gw.folder / name).read_bytes()
        assert not [t for t in tails if t in text], name


# ------- keys -------


def issuer_lines(bench, case):
    """The issuer of the case as configuration; its key files are written."""
    source = dict(case["issuer"])
    out = {"issuer": "https://case.test", "audience": ["ml"], "algorithms": source.pop("algorithms")}
    for option, file in ("jwks", "jwks_file"), ("pem", "key_file"), ("secret", "secret"):
        if option in source:
            bench.write(f"case-{option}", bench.builder.fill(source.pop(option)))
            out[file] = ("file:" if option == "secret" else "") + str(bench.folder / f"case-{option}")
    return "    - " + json.dumps({**out, **source}) + "\n"


@pytest.mark.parametrize("case", cases(of_keys=True))
def test_keys(bench, case):
    b, expect = bench, case["expect"]
    b.gw.write(b.conf(issuer_lines(b, case)) % {"url": b.rig.upstream.url})
    ok, answer = b.gw.reload()
    assert ok == (expect["load"] == "taken"), answer
    if not ok:
        assert expect.get("says", "") in answer["complaints"], answer
    elif "status" in expect:
        b.rig.probe()  # the new policy reaches the worker before this answer
        play(b, dict({"claims": '{"iss":"https://case.test","aud":"ml","sub":"alice","exp":${now+600}}'}, **case))
