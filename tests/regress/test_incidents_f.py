"""
Rows F of the incident list, framing and transport, that no other file shows at the edge: F10, F11.
docs/security-testing.md says where the rest is; most of it is tests/corpus/framing.
"""
import gzip
import pathlib
import re
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from conftest import make_gateway, make_upstream, routes, upstream, wait_until  # noqa: E402, F401 (fixtures)


def test_f10_a_request_that_is_held_open_gives_its_place_back(make_gateway, upstream):
    gw = make_gateway(
        f"upstreams: {{up: {{servers: ['{upstream.url}'], max_inflight: 1}}}}\n"
        "routes: [{path: '/**', auth: public, upstream: up}]\n", server="  body_timeout: 500ms\n", tls=False)
    with gw.connect() as held:
        held.sendall(b"POST /held HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        assert held.recv(65536).startswith(b"HTTP/1.1 408 ")
    wait_until(lambda: gw.request("GET", "/next").status == 200, 5, "a place for the next request")
    assert all(len(r["body"]) < 10 for r in upstream.requests), "half a body is never a whole one"


def resident_kb(gw):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{gw.process.pid}/status").read_text()).group(1))


def test_f11_a_compressed_body_is_bytes(make_gateway, upstream):
    bomb = gzip.compress(b"\0" * (64 << 20))
    gw = make_gateway(routes(upstream, "{path: '/**', auth: public, upstream: up}"))
    before = resident_kb(gw)
    a = gw.request("POST", "/x", {"Content-Encoding": "gzip"}, body=bomb)
    assert a.status == 200 and a.json()["body"].encode("latin-1") == bomb
    assert resident_kb(gw) - before < 16 << 10
