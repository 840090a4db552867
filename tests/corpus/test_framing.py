"""The rules of docs/security-testing.md on framing, at the client's side and at the upstream's; framing/ holds the cases."""
import contextlib
import socket
import ssl

import pytest
from corpus import WAIT_S, cases, certificate, rig

ASKED = b"GET /asked HTTP/1.1\r\nHost: a\r\n\r\n"
TLS_ROUTES = """
upstreams: {up: {servers: ['%(url)s'], tls: {verify: false}}}
routes: [{path: '/**', auth: public, upstream: up}]
"""


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    with rig(tmp_path_factory) as r:
        r.probe()  # so that every case finds a kept connection to the upstream
        yield r


@pytest.fixture(scope="module")
def tls_upstream(tmp_path_factory):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path_factory.mktemp("upstream")))
    with rig(tmp_path_factory, TLS_ROUTES, tls_upstream=context) as r:
        r.probe()
        yield r


@pytest.mark.parametrize("case", cases("framing/request"))
def test_request(plain, case):
    plain.play_case(case)


@pytest.mark.parametrize("case", [c for c in cases("framing/request") if len(c.values[0].send) < 400])
def test_request_byte_by_byte(plain, case):
    plain.play_case(case, piece=1)


@pytest.mark.parametrize("case", cases("framing/answer"))
def test_answer(plain, case):
    plain.play_case(case, default=ASKED)


@pytest.mark.parametrize("case", cases("framing/answer_tls"))
def test_answer_over_tls(tls_upstream, case):
    tls_upstream.play_case(case, default=ASKED)


@pytest.fixture(scope="module")
def roomy(tmp_path_factory):
    with rig(tmp_path_factory, server="  head_max: 128KiB\n  target_max: 128KiB\n") as r:
        yield r


@pytest.mark.parametrize("line", ["GET /a HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n", "GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_a_head_of_the_largest_limit_can_be_received(roomy, line):
    head = line % ("x" * (128 * 1024 - len(line) + 1))
    assert len(head) == 128 * 1024 - 1
    roomy.check(head.encode(), {"status": 200, "closes": False, "forwarded": 1})
    status = 414 if line.startswith("GET /%s") else 431
    roomy.check(head.replace("x", "xx").encode(), {"status": status, "closes": True, "forwarded": 0})


def test_http_without_tls_on_a_tls_port_gets_nothing(plain):
    with socket.create_connection(("127.0.0.1", plain.tls_port), timeout=WAIT_S) as s:
        s.sendall(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        data = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := s.recv(4096):
                data += piece
    assert b"HTTP" not in data
    before = len(plain.upstream.requests)
    plain.probe()
    assert len(plain.upstream.requests) == before + 1


def test_answers_for_two_clients_are_never_swapped_by_left_overs(plain):
    """Security threat 3: whatever an upstream adds to its answers, each client gets its own."""
    extra = [b"", b"!", b"\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ninjected", b"0\r\n\r\n"]
    for n in range(50):
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n%03d" % n + extra[n % len(extra)]
        out, _ = plain.check(ASKED, {"status": 200, "closes": False, "forwarded": 1}, answer, late=extra[(n + 2) % len(extra)])
        assert out.answers[0].body == b"%03d" % n


@pytest.fixture(scope="module")
def one_slot(tmp_path_factory):
    conf = ("upstreams: {up: {servers: ['%(url)s'], max_inflight: 1}}\n"
            "routes: [{path: '/**', auth: public, upstream: up}]\n")
    with rig(tmp_path_factory, conf, server="  body_timeout: 300ms\n") as r:
        yield r


@pytest.mark.parametrize("framing", ["Content-Length: 10", "Transfer-Encoding: chunked"])
def test_f10_a_body_that_stalls_gives_its_slot_back(one_slot, framing):
    one_slot.check(f"POST /a HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n3".encode(),
                   {"status": 408, "closes": True, "forwarded": 0})


def test_requests_wait_when_their_answers_are_not_read(plain):
    """Pipelined requests that the gateway answers itself must not pile up answers in its memory."""
    request = b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"
    sent = 0
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        s.connect(("127.0.0.1", plain.gw.port))
        s.settimeout(1)
        with contextlib.suppress(socket.timeout):
            while sent < 16 << 20:
                sent += s.send(request * 1000)
        assert sent < 16 << 20, "the gateway read all of it"
        s.settimeout(WAIT_S)
        whole, answered, tail = sent // len(request), 0, b""
        while answered < whole:
            piece = s.recv(1 << 20)
            assert piece, f"{answered} of {whole} answers"
            answered += (tail + piece).count(b"HTTP/1.1 404 ")
            tail = piece[-12:]  # too short to hold one
