"""A revocation that overtakes a request: it is still on its way through the phases, and streams later."""
import contextlib
import hashlib
import socket
import threading

import pytest
from conftest import PATIENCE, TOP, routes, wait_until


class HoldingProxy:
    """Between the gateway and Redis. The first connection that sends `marker` is held until release()."""

    def __init__(self, to_port, marker):
        self.to_port, self.marker = to_port, marker
        self.is_armed, self.held, self.released = False, threading.Event(), threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.to_port))
            except OSError:  # the test is over
                return
            for a, b, is_request in (near, far, True), (far, near, False):
                threading.Thread(target=self._copy, args=(a, b, is_request), daemon=True).start()

    def _copy(self, source, to, is_request):
        try:
            while data := source.recv(65536):
                if is_request and self.is_armed and self.marker in data:
                    self.is_armed = False
                    self.held.set()
                    self.released.wait(60 * PATIENCE)
                to.sendall(data)
        except OSError:
            pass
        finally:
            for s in source, to:
                s.close()

    def close(self):
        self.released.set()
        self.listener.close()


@pytest.fixture
def proxy(redis):
    script = (TOP / "lib/model/script/limit.lua").read_bytes()
    p = HoldingProxy(redis.port, hashlib.sha1(script).hexdigest().encode())
    yield p
    p.close()


def test_a_key_revoked_while_its_request_waits_for_the_limit_does_not_stream_on(make_gateway, make_upstream, redis, proxy):
    ended = threading.Event()

    def endless(request, conn):
        conn.settimeout(60 * PATIENCE)
        with contextlib.suppress(ConnectionError):  # an end with bytes unread is a reset
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 0\n\n\r\n")
            assert conn.recv(1) == b""
        ended.set()
        return "close"

    up = make_upstream(endless)
    gw = make_gateway(f"redis: {{url: 'redis://127.0.0.1:{proxy.port}/0', timeout: 30s}}\n"
                      "limits:\n  default: {key: principal, rate: 100/min}\n" + routes(up))
    gw.user("alice")
    key, record = gw.api_key("alice")
    proxy.is_armed = True
    with gw.connect(30) as s:
        s.sendall(f"GET /events HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n\r\n".encode())
        assert proxy.held.wait(30 * PATIENCE), "the limit is asked"
        gw.ctl("key", "revoke", record["id"], "--yes")
        threading.Event().wait(0.5)  # for the notice; later it only makes the test easier to pass
        proxy.released.set()
        data = b""
        while piece := s.recv(65536):  # the connection ends, or the answer is a refusal and whole
            data += piece
            if data.startswith(b"HTTP/1.1 401 "):
                break
    if up.requests:
        assert ended.wait(10 * PATIENCE), "the upstream is told"
    wait_until(lambda: any(line["event"] == "stream.cut" and line["actor"] == record["id"] and line["ip"] == "127.0.0.1"
                           for line in gw.audit_lines()), what="the audit line")
