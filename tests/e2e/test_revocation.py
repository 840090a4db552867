"""What is taken away is gone everywhere, at once: D6, D7, K12, G11."""
import time

import pytest
from conftest import PATIENCE, Upstream, render, routes, wait_until

SOON = 0.1 * (10 if PATIENCE > 1 else 1)


@pytest.fixture
def pair(make_gateway, upstream, redis):
    """Two daemons on one Redis; the second shares the first one's master key."""
    conf = f"redis: {{url: '{redis.url}'}}\n" + routes(upstream)
    a = make_gateway(conf)
    master = (a.state / "master.key").read_text().strip()
    b = make_gateway(conf, env={"POSTERN_AUTH__MASTER_KEY": master})
    a.user("alice")
    return a, b


def until_refused(gw, headers):
    began = time.monotonic()
    wait_until(lambda: gw.request("GET", "/x", headers).status == 401, 3, "the refusal")
    return time.monotonic() - began


def warm(gw, headers):
    wait_until(lambda: gw.request("GET", "/x", headers).status == 200, 3, "the credential on that daemon")


def test_revoked_key_is_refused_by_the_other_daemon(pair):
    a, b = pair
    key, record = a.api_key("alice")
    warm(b, {"X-API-Key": key})
    a.ctl("key", "revoke", record["id"], "--yes")
    assert until_refused(b, {"X-API-Key": key}) < SOON


def test_disabled_user_is_refused_by_the_other_daemon(pair):
    a, b = pair
    key, _ = a.api_key("alice")
    token = a.token("alice")
    for headers in {"X-API-Key": key}, {"Authorization": f"Bearer {token}"}:
        warm(b, headers)
    a.ctl("user", "disable", "alice", "--yes")
    for headers in {"X-API-Key": key}, {"Authorization": f"Bearer {token}"}:
        assert until_refused(b, headers) < SOON
    a.ctl("user", "enable", "alice")
    assert b.request("GET", "/x", {"Authorization": f"Bearer {token}"}).status == 401, "enabling revives no session"


def test_revoked_session_is_refused_by_the_other_daemon(pair):
    a, b = pair
    for flags in (), ("--opaque",):
        token = a.token("alice", *flags)
        warm(b, {"Authorization": f"Bearer {token}"})
        a.ctl("session", "revoke", "--user", "alice", "--yes")
        assert until_refused(b, {"Authorization": f"Bearer {token}"}) < SOON


def test_cut_invalidation_link_serves_nothing_cached(pair, redis):
    a, b = pair
    key, record = a.api_key("alice")
    warm(b, {"X-API-Key": key})
    redis.cli("client", "kill", "type", "pubsub")
    a.ctl("key", "revoke", record["id"], "--yes")
    assert until_refused(b, {"X-API-Key": key}) < SOON


def test_paused_redis_is_503_not_401(pair, redis):
    import os
    import signal
    a, b = pair
    key, _ = a.api_key("alice")
    os.kill(redis.process.pid, signal.SIGSTOP)
    try:
        statuses = {b.request("GET", "/x", {"X-API-Key": key}).status for _ in range(3)}
        assert statuses == {503}
        assert b.request("GET", "/x", {"X-API-Key": key}).headers["retry-after"]
        assert b.request("GET", "/x").status == 401, "no credential needs no store"
    finally:
        os.kill(redis.process.pid, signal.SIGCONT)
    wait_until(lambda: b.request("GET", "/x", {"X-API-Key": key}).status == 200, 5, "the recovery")


def test_open_stream_of_a_revoked_key_is_cut(make_gateway, make_upstream):
    def endless(request, conn):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for i in range(600):
            conn.sendall(b"9\r\ndata: x\n\n\r\n")
            time.sleep(0.05)
        return "close"

    gw = make_gateway(routes(make_upstream(endless)))
    gw.user("alice")
    key, record = gw.api_key("alice")
    s = gw.connect()
    s.sendall(f"GET /events HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n\r\n".encode())
    assert b"data: x" in s.recv(65536) + s.recv(65536)
    gw.ctl("key", "revoke", record["id"], "--yes")
    began = time.monotonic()
    try:
        while s.recv(65536):
            assert time.monotonic() - began < 5
    except OSError:
        pass
    assert time.monotonic() - began < 1 * PATIENCE
