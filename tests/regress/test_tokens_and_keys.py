"""
Rows of the incident list about credentials and the admin side that no other file shows at
the edge: K5, K7, K11, K13, O5, O6, O7, O8. docs/security-testing.md says where the rest is.
"""
import json
import os
import pathlib
import re
import stat
import subprocess
import sys
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from conftest import (  # noqa: E402, F401 (fixtures)
    BUILD, make_gateway, redis, routes, upstream, wait_until,
)

SECRET = "correct-horse-battery-staple-0123456789"
MAYBE = "{path: '/**', auth: optional, upstream: up}"


def issuer(folder, secret=SECRET, algorithms="HS256"):
    path = pathlib.Path(folder) / "secret.txt"
    path.write_text(secret)
    path.chmod(0o600)
    return (f"auth:\n  issuers:\n    - {{issuer: https://idp.test, audience: [ml], secret: 'file:{path}', "
            f"algorithms: [{algorithms}]}}\n")


def words_of(answer):
    return answer.body.decode() + json.dumps(answer.raw_headers)


def test_k5_lost_store_lets_nobody_in_as_nobody(make_gateway, upstream, redis):
    gw = make_gateway(f"redis: {{url: '{redis.url}'}}\n" + routes(upstream, MAYBE))
    gw.user("alice")
    key, token, opaque = gw.api_key("alice")[0], gw.token("alice"), gw.token("alice", "--opaque")
    shown = {"X-API-Key": key}, {"Authorization": f"Bearer {token}"}, {"Authorization": f"Bearer {opaque}"}
    assert gw.request("GET", "/x").status == 200, "nobody is welcome here"
    redis.stop()
    for headers in shown:
        answer = wait_until(lambda: a if (a := gw.request("GET", "/x", headers)).status != 200 else None, 5,
                            "the loss of the store")
        assert answer.status == 503 and "retry-after" in answer.headers
    before = len(upstream.requests)
    for headers in shown:
        assert gw.request("GET", "/x", headers).status == 503
    assert len(upstream.requests) == before


def resident_kb(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text).group(1))


@pytest.mark.skipif(BUILD.name in ("asan", "tsan"), reason="a sanitizer keeps freed memory")
def test_k7_a_flood_of_dots_costs_no_memory(make_gateway, upstream):
    gw = make_gateway(routes(upstream))
    headers = [{"Authorization": "Bearer " + "." * 8000}, {"Authorization": "Bearer " + "e30." * 2000},
               {"X-API-Key": "sk_" + "." * 8000}]

    def flood(count):
        for n in range(count):
            assert gw.request("GET", "/x", headers[n % 3]).status == 401

    flood(60)
    before = resident_kb(gw.process.pid)
    flood(300)
    grown = resident_kb(gw.process.pid) - before
    assert grown < 4096, f"{grown} KiB for 300 junk tokens"
    assert not upstream.requests


def test_k11_answers_say_nothing_of_what_is_behind_them(make_gateway, upstream, redis, tmp_path):
    """APISIX told the JWT secret, LiteLLM the table and the hash of the key."""
    gw = make_gateway(f"redis: {{url: '{redis.url}'}}\n" + issuer(tmp_path) + routes(upstream))
    gw.user("alice")
    key, record = gw.api_key("alice")
    token = gw.token("alice")
    head, claims, signature = token.split(".")
    shown = [
        {"X-API-Key": key[:-1] + ("A" if key[-1] != "A" else "B")}, {"X-API-Key": "sk_" + "a" * 58},
        {"Authorization": f"Bearer {head}.{claims}.{signature[::-1]}"}, {"Authorization": f"Bearer {head}.{claims}x.{signature}"},
        {"Authorization": "Bearer eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lkcC50ZXN0In0.AAAA"},
        {"Authorization": "Bearer " + "A" * 43}, {"Authorization": "Basic YTpi"}, {},
    ]
    answers = [gw.request("GET", "/x", headers) for headers in shown]
    assert {a.status for a in answers} == {401}
    redis.stop()
    answers.append(wait_until(lambda: a if (a := gw.request("GET", "/x", {"X-API-Key": key})).status != 200 else None,
                              5, "the loss of the store"))
    assert answers[-1].status == 503
    secrets = [key, record["id"], token, signature, SECRET, redis.url, str(redis.port), str(gw.folder)]
    for answer in answers:
        text = words_of(answer)
        assert not [s for s in secrets if s in text], text
        assert not re.search(r"(?i)openssl|evp_|error:[0-9a-f]|hiredis|redis|jansson|\blua\b|hmac|sha-?256|argon|\.c:\d", text)
    assert len({a.json()["detail"] for a in answers[:-1]}) == 1


@pytest.mark.parametrize("secret, algorithms", [("too-short-a-secret", "HS256"), (SECRET, "HS512"), (SECRET, "RS256")])
def test_k11_complaints_about_a_secret_do_not_quote_it(make_gateway, upstream, tmp_path, secret, algorithms):
    gw = make_gateway(routes(upstream))
    gw.write(issuer(tmp_path, secret, algorithms) + routes(upstream))
    ok, answer = gw.reload()
    assert not ok
    check = gw.ctl("config", "check", gw.path, ok=False)
    assert check.returncode == 1
    seen = json.dumps(answer) + check.stdout + check.stderr + gw.process.text() + (gw.folder / "audit.log").read_text()
    assert secret not in seen


@pytest.mark.parametrize("email", ["a@evil.test@corp.test", "@corp.test", "a@", "a b@corp.test", "a@corp.test\r\nbcc: x@evil.test"])
def test_k13_address_with_two_readings_makes_no_user(make_gateway, upstream, email):
    gw = make_gateway(routes(upstream))
    assert gw.ctl("user", "create", "mallory", "--email", email, ok=False).returncode != 0
    assert "mallory" not in gw.ctl("user", "list").stdout


@pytest.mark.parametrize("address", ["0.0.0.0:0", "*:9901", "[::]:9901", "192.0.2.7:9901"])
def test_o5_admin_listener_on_a_public_address_stops_the_start(make_gateway, upstream, address):
    gw = make_gateway(routes(upstream), start=False, admin=address)
    done = subprocess.run([BUILD / "postern", "-c", gw.path], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "admin.address" in done.stdout + done.stderr


def test_o5_there_is_no_default_secret(make_gateway, upstream):
    """APISIX shipped one admin key to everybody."""
    gateways = [make_gateway(routes(upstream)) for _ in range(2)]
    keys = [(gw.state / "master.key").read_text().strip() for gw in gateways]
    assert keys[0] != keys[1] and min(len(k) for k in keys) >= 43
    for gw in gateways:
        assert stat.S_IMODE(os.stat(gw.state / "master.key").st_mode) & 0o077 == 0
        assert gw.ctl("user", "list", "-q").stdout.strip() == "", "nobody is there before somebody is made"
    # What one gateway made means nothing to the other.
    gateways[0].user("alice")
    key, token = gateways[0].api_key("alice")[0], gateways[0].token("alice")
    for headers in {"X-API-Key": key}, {"Authorization": f"Bearer {token}"}:
        assert gateways[0].request("GET", "/x", headers).status == 200
        assert gateways[1].request("GET", "/x", headers).status == 401


@pytest.mark.parametrize("method, path", [
    ("GET", "/metrics"), ("GET", "/readyz"), ("GET", "/livez"), ("POST", "/reload"), ("GET", "/debug/pprof/"),
    ("GET", "/status"), ("GET", "/config"), ("POST", "/stop"), ("GET", "/server-status"),
])
def test_o6_public_listener_knows_nothing_of_the_admin_one(make_gateway, upstream, method, path):
    """Every path belongs to the routes: one that is not theirs is nobody's, the operator's words least of all."""
    gw = make_gateway(routes(upstream, "{path: /only, auth: public, upstream: up}"), admin="127.0.0.1:0")
    answer = gw.request(method, path)
    assert answer.status == 404 and answer.json()["error"]["code"]
    assert "postern_" not in answer.body.decode() and not upstream.requests


def test_o7_counters_lose_nothing_under_concurrency(make_gateway, upstream, redis):
    """Two daemons, one limit, more askers than units: exactly as many as there are get through."""
    conf = (f"redis: {{url: '{redis.url}'}}\nlimits:\n  tight: {{key: user, rate: 40/h}}\n"
            + routes(upstream, "{path: '/**', limit: tight, upstream: up}"))
    a = make_gateway(conf)
    b = make_gateway(conf, env={"POSTERN_AUTH__MASTER_KEY": (a.state / "master.key").read_text().strip()})
    a.user("alice")
    key = a.api_key("alice")[0]
    statuses = []

    def run(gw):
        for _ in range(10):
            statuses.append(gw.request("GET", "/x", {"X-API-Key": key}).status)

    threads = [threading.Thread(target=run, args=(gw,)) for gw in (a, b) for _ in range(5)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert statuses.count(200) == 40 and statuses.count(429) == 60, statuses


@pytest.mark.parametrize("text", [
    pytest.param('{"keys":' + "[" * 200000, id="lists"), pytest.param('{"a":' * 150000, id="objects"),
    pytest.param('{"keys":[{"kid":' + '{"x":' * 65 + "1" + "}" * 65 + "}]}", id="closed"),
])
def test_o8_deep_json_from_an_issuer_is_refused_and_the_daemon_stays(make_gateway, upstream, tmp_path, text):
    gw = make_gateway(routes(upstream, "{path: '/**', auth: public, upstream: up}"))
    (tmp_path / "keys.json").write_text(text)
    gw.write(f"auth:\n  issuers:\n    - {{issuer: https://idp.test, audience: [ml], jwks_file: {tmp_path}/keys.json, "
             "algorithms: [ES256]}\n" + routes(upstream, "{path: '/**', auth: public, upstream: up}"))
    ok, answer = gw.reload()
    assert not ok and "keys.json" in answer["complaints"]
    assert gw.request("GET", "/x").status == 200
