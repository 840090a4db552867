"""The rules of docs/security-testing.md on framing, at the client's side and at the upstream's; framing/ holds the cases."""
import ssl

import pytest
from corpus import cases, certificate, rig

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
