"""
Who asks, as any server behind us could read it: identity/ holds one trick a file (README.md).

Each case is played on public, optional, required and admin routes under every kind of credential.
What is forwarded is then read as CGI reads it, the most lenient way there is: names in upper case
and every byte that is no letter and no digit as '_'. In that reading each name we own must be there
once with our value, or not at all.
"""
import re

import pytest
import yaml
from corpus import HERE, joined, rig

CONF = """
auth: {assertion: true}
upstreams: {up: {servers: ['%(url)s']}}
routes:
  - {path: /probe/**, auth: public, upstream: up}
  - {path: /public, auth: public, upstream: up}
  - {path: /optional, auth: optional, upstream: up}
  - {path: /required, upstream: up}
  - {path: /admin, roles: [admin], upstream: up}
"""
MATRIX = [
    ("public", "none"), ("public", "api_key"), ("optional", "none"), ("optional", "api_key"), ("required", "none"),
    ("required", "api_key"), ("required", "bearer"), ("required", "jwt"), ("required", "token"), ("admin", "jwt"),
]
# What no client can give; only the names in `wanted` may be there.
FAMILIES = ("X_USER_", "X_AUTH_", "X_POSTERN_", "X_FORWARDED", "X_ORIGINAL_", "X_REWRITE_", "X_ENVOY_")
GONE = ("FORWARDED", "X_API_KEY", "AUTHORIZATION", "PROXY_AUTHORIZATION", "X_HTTP_METHOD_OVERRIDE", "X_HTTP_METHOD",
        "X_METHOD_OVERRIDE", "SCRIPT_NAME", "PATH_INFO", "PROXY", "TE", "UPGRADE", "HTTP2_SETTINGS", "KEEP_ALIVE",
        "CONNECTION", "PROXY_CONNECTION", "TRAILER", "EXPECT")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Case:
    KEYS = {"id", "why", "fields", "send", "answer", "on", "with", "peer", "expect"}

    def __init__(self, path):
        data = yaml.safe_load(path.read_text())
        assert set(data) <= self.KEYS and data.get("why") and ("fields" in data) != ("send" in data), path
        self.expect = data.get("expect", {})
        self.send = data.get("send") or ("GET <path> HTTP/1.1\r\nHost: gw.test\r\n<auth>"
                                         + "".join(f"{f}\r\n" for f in data["fields"]) + "\r\n")
        self.answer = joined(data["answer"]) if "answer" in data else None
        self.trusted = data.get("peer") == "trusted"
        self.matrix = [(on, kind) for on, kind in MATRIX
                       if on in data.get("on", [on]) and kind in data.get("with", [kind])]
        assert self.matrix, path

    def bytes(self, on, credential):
        return joined(self.send).replace(b"<path>", f"/{on}".encode()).replace(b"<auth>", credential.encode())


CASES = [pytest.param(Case(p), id=p.stem) for p in sorted((HERE / "identity").glob("*.yaml"))]


def people(r):
    r.alice = r.gw.user("alice")
    r.gw.ctl("user", "set-role", "alice", "user", "admin")
    key, _ = r.gw.api_key("alice")
    r.credentials = {
        "none": "", "api_key": f"X-API-Key: {key}\r\n", "bearer": f"Authorization: Bearer {key}\r\n",
        "jwt": f"Authorization: Bearer {r.gw.token('alice')}\r\n",
        "token": f"Authorization: Bearer {r.gw.token('alice', '--opaque')}\r\n",
    }
    return r


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    with rig(tmp_path_factory, CONF) as r:
        yield people(r)


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
    with rig(tmp_path_factory, CONF, server="  trusted_proxies: [127.0.0.1, 10.0.0.0/8]\n") as r:
        yield people(r)


def as_cgi(m):
    """Every field and trailer under the one name that CGI gives to all its spellings."""
    read = {}
    for name, value in m.fields + m.trailers:
        read.setdefault(re.sub("[^A-Z0-9]", "_", name.upper()), []).append(value)
    return read


def identity(r, on, kind):
    if on == "public" or kind == "none":
        return {"X_AUTH_METHOD": ["none"]}
    known = {"X_USER_ID": [r.alice["id"]], "X_USER_NAME": ["alice"], "X_USER_ROLES": ["user,admin"],
             "X_AUTH_METHOD": [kind]}
    if kind in ("api_key", "bearer"):  # keys have scopes, by whichever field they are shown
        known.update(X_AUTH_METHOD=["api_key"], X_AUTH_SCOPES=["read write"])
    return known


def judge(r, m, on, kind, expect):
    read = as_cgi(m)
    client = [expect.get("client", "127.0.0.1")]
    wanted = dict(identity(r, on, kind), X_FORWARDED_FOR=client, X_REAL_IP=client,
                  X_FORWARDED_PROTO=[expect.get("proto", "http")])
    if expect.get("host", "gw.test"):
        wanted["X_FORWARDED_HOST"] = [expect.get("host", "gw.test")]
    for name, values in wanted.items():
        assert read.get(name) == values, f"{name}: {read.get(name)}, must be {values}: {m.raw!r}"
    assertion = read.pop("X_AUTH_ASSERTION", [])
    assert len(assertion) == (1 if "X_USER_ID" in wanted else 0) and "mallory" not in str(assertion), assertion
    stray = [n for n in read if n not in wanted and (n.startswith(FAMILIES) or n in GONE and n not in expect.get("keeps", []))]
    assert not stray, f"{stray} in {m.raw!r}"
    ids = read.get("X_REQUEST_ID", [])
    assert len(ids) == 1 and (UUID.fullmatch(ids[0]) or ids[0] == expect.get("request_id")), ids
    for name in "HOST", "CONTENT_LENGTH", "TRANSFER_ENCODING", "CONTENT_TYPE":
        assert len(read.get(name, [])) <= 1, f"{name}: {m.raw!r}"
    assert (b"mallory" in m.raw) == expect.get("passes", False), m.raw


def combination_expect(case, on, kind):
    """What the case says, or what the route and the credential alone would give."""
    e = {k: v for k, v in case.expect.items() if k in
         ("status", "statuses", "closes", "forwarded", "interim", "answer", "heads")}
    if isinstance(e.get("status"), dict):
        e["status"] = e["status"]["none" if kind == "none" else "shown"]
    if kind == "none" and on in ("required", "admin") and e.get("status", 200) == 200 and "statuses" not in e:
        return {"status": 401, "closes": case.expect.get("closes", False), "forwarded": 0}
    e.setdefault("forwarded", 1 if e.get("status", 200) == 200 and "statuses" not in e else 0)
    if "statuses" not in e:
        e.setdefault("status", 200)
    return e


@pytest.mark.parametrize("case", CASES)
def test_identity(request, case):
    r = request.getfixturevalue("proxied" if case.trusted else "stranger")
    for on, kind in case.matrix:
        e = combination_expect(case, on, kind)
        try:
            out, seen = r.check(case.bytes(on, r.credentials[kind]), e, case.answer)
            for m in seen:
                judge(r, m, on, kind, case.expect)
            assert not [n for a in out.answers + out.interim for n, _ in a.fields if re.sub("[^a-z]", "-", n.lower()).startswith("x-user-")]
        except AssertionError as error:
            raise AssertionError(f"on /{on} with {kind}: {error}") from None


def test_there_are_enough_cases():
    assert sum(len(c.values[0].matrix) for c in CASES) > 1000


def test_h2_underscores_travel_where_they_are_wanted(tmp_path_factory):
    """Names of the client's own; ours are folded all the same."""
    with rig(tmp_path_factory, CONF, server="  underscores: true\n") as r:
        _, seen = r.check(b"POST /public HTTP/1.1\r\nHost: gw.test\r\nX_Custom: a\r\nX_User_Id: mallory\r\nSCRIPT_NAME: mallory\r\n"
                          b"Transfer-Encoding: chunked\r\n\r\n0\r\nX_Late: b\r\nX_User_Name: mallory\r\n\r\n",
                          {"status": 200, "closes": False, "forwarded": 1})
        assert seen[0].values("x_custom") == ["a"] and seen[0].trailers == [("X_Late", "b")]
        assert b"mallory" not in seen[0].raw
