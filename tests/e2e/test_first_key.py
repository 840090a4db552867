"""Redis is away at the start: the first signing key is made when it comes, by nobody's hand, and once."""
import json
import signal

import pytest
from conftest import routes, wait_until
from test_store import make_redis, start_unready  # noqa: F401, the fixture

MASTER_KEY = "A" * 43  # the gateways of one Redis share it


def keys(gw):
    return json.loads(gw.ctl("signing-key", "list", "-o", "json").stdout)


def conf(server, upstream):
    return (f"redis: {{url: '{server.url}', connect_timeout: 200ms}}\nauth: {{assertion: true, master_key: '{MASTER_KEY}'}}\n"
            + routes(upstream, "{path: '/**', upstream: up}"))


def knows_its_key(gw):
    return any(json.loads(line)["count"] > 0 for line in gw.process.text().splitlines() if "signing_keys.loaded" in line)


def test_the_first_signing_key_is_made_when_redis_comes(make_gateway, upstream, make_redis):
    server = make_redis()
    server.stop()
    gws = [start_unready(make_gateway(conf(server, upstream), start=False)) for _ in range(2)]
    assert all("signing_keys.unchecked" in gw.process.text() for gw in gws)
    assert gws[0].request("GET", "/x", {"X-API-Key": "sk_any"}).status in (401, 503)
    server.start()
    for gw in gws:
        wait_until(lambda gw=gw: knows_its_key(gw), 20, "the signing key")
    assert len(keys(gws[0])) == 1, "made once, whoever came first"
    gws[0].user("alice")
    token = gws[0].token("alice")
    for gw in gws:
        wait_until(lambda gw=gw: gw.is_ready(), what="readiness")
        answer = gw.request("GET", "/x", {"Authorization": f"Bearer {token}"})
        assert answer.status == 200
        assert any(name.lower() == "x-auth-assertion" for name, _ in answer.json()["headers"]), answer.body


def test_a_key_that_is_there_already_stays_the_one(make_gateway, upstream, make_redis):
    server = make_redis()
    before = keys(make_gateway(conf(server, upstream)))
    assert len(before) == 1
    server.kick(signal.SIGSTOP)
    gw = start_unready(make_gateway(conf(server, upstream), start=False))
    assert "signing_keys.unchecked" in gw.process.text()
    server.kick(signal.SIGCONT)
    wait_until(lambda: knows_its_key(gw), 20, "the signing key")
    assert keys(gw) == before


@pytest.mark.parametrize("refusal", ["-eval", "-@write"])
def test_a_refused_try_is_repeated_with_pauses_until_it_is_allowed(make_gateway, upstream, make_redis, refusal):
    server = make_redis()
    server.cli("acl", "setuser", "default", refusal, "-evalsha")
    gw = start_unready(make_gateway(conf(server, upstream), start=False))
    wait_until(lambda: gw.process.text().count("signing_keys.unchecked") >= 3, 20, "two more tries")
    assert gw.process.text().count("signing_keys.unchecked") < 10, "no storm of them"
    assert gw.control("GET", "/readyz")[0] == 200, "the control loop is free meanwhile"
    server.cli("acl", "setuser", "default", "+@all")
    wait_until(lambda: knows_its_key(gw), 40, "the signing key")
    assert len(keys(gw)) == 1
    assert gw.stop() == 0
