"""httpx and websockets (Debian's) through postern over TLS, before a service under uvicorn."""
import asyncio
import contextlib
import hashlib
import os
import socket
import sys

import httpx
import pytest
import websockets
from conftest import PATIENCE, TOP, Process, free_port, routes, wait_until

MIB = 1024 * 1024
LARGE_MIB = 256 if PATIENCE == 1 else 32
PIECE = bytes(range(256)) * 4096


class Service(Process):
    def __init__(self, folder):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__([sys.executable, "-m", "uvicorn", "--app-dir", TOP / "tests/e2e/clients", "service:app",
                          "--port", self.port, "--ws-max-size", 64 * MIB, "--no-access-log"], folder, "service")
        wait_until(self.is_ready, 30, "the service")

    def is_ready(self):
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", self.port), 1).close() is None

    def seen(self):
        return httpx.get(self.url).json()["seen"]


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    s = Service(tmp_path_factory.mktemp("service"))
    yield s
    s.stop()


@pytest.fixture
def gw(make_gateway, service):
    g = make_gateway(routes(service, "{path: /**, upstream: up}"))
    g.alice = g.user("alice")
    g.alice_key = g.api_key("alice")[0]
    g.auth = {"Authorization": f"Bearer {g.alice_key}"}
    return g


@pytest.fixture
def client(gw):
    with httpx.Client(base_url=gw.url(), verify=gw.client_context(), headers=gw.auth, timeout=60 * PATIENCE) as c:
        yield c


def async_client(gw):
    return httpx.AsyncClient(base_url=gw.url(), verify=gw.client_context(), headers=gw.auth, timeout=60 * PATIENCE)


class peak_growth:
    """with peak_growth(gw) as grown: ...; grown() is by how many KiB the daemon's peak memory rose."""

    def __init__(self, gw):
        self.pid = gw.process.pid

    def status(self, name):
        with open(f"/proc/{self.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith(name + ":"))

    def __enter__(self):
        with open(f"/proc/{self.pid}/clear_refs", "w") as f:
            f.write("5")  # the peak begins anew
        self.before = self.status("VmRSS")
        return lambda: self.status("VmHWM") - self.before if PATIENCE == 1 else 0

    def __exit__(self, *_):
        pass


def test_httpx_keeps_its_connection(client):
    local = set()
    for i in range(20):
        with client.stream("POST" if i % 2 else "GET", f"/{i}", content=b"x" * i if i % 2 else None) as r:
            local.add(r.extensions["network_stream"].get_extra_info("client_addr"))
            assert r.status_code == 200 and r.http_version == "HTTP/1.1"
            r.read()
            assert r.json()["path"] == f"/{i}"
    assert len(local) == 1, local


def test_httpx_keeps_its_connection_across_refusals(gw, client):
    local = set()
    for headers, status in ({}, 200), ({"Authorization": "Bearer sk_wrong"}, 401), ({}, 200):
        with client.stream("POST", "/x", headers=headers, content=b"a body that nobody reads") as r:
            local.add(r.extensions["network_stream"].get_extra_info("client_addr"))
            assert r.status_code == status
            r.read()
    assert len(local) == 1, local


def test_httpx_error_is_readable(client):
    r = client.get("/x", headers={"Authorization": "Bearer sk_wrong"})
    with pytest.raises(httpx.HTTPStatusError, match="401 Unauthorized"):
        r.raise_for_status()
    assert r.json()["detail"] == "A valid credential is required."


def test_httpx_async_many_at_once(gw):
    async def ask(client, i):
        r = await client.post(f"/n/{i}", content=b"x" * i)
        said = r.json()
        assert (said["path"], said["headers"]["content-length"]) == (f"/n/{i}", str(i))
        return said["headers"]["x-user-id"]

    async def main():
        async with async_client(gw) as client:
            return await asyncio.gather(*[ask(client, i) for i in range(1, 101)])

    assert set(asyncio.run(main())) == {gw.alice["id"]}


def test_httpx_cancelled_task_cancels_the_service(gw, service):
    before = service.seen()["cancelled"]

    async def main():
        async with async_client(gw) as client:
            async with client.stream("GET", "/forever") as r:
                assert await r.aiter_lines().__anext__() == "begun\n"

    asyncio.run(main())
    wait_until(lambda: service.seen()["cancelled"] == before + 1, what="http.disconnect in the service")


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_httpx_streams_a_large_upload_at_constant_memory(gw, client, framing):
    digest = hashlib.sha256()

    def pieces():
        for _ in range(LARGE_MIB):
            digest.update(PIECE)
            yield PIECE

    headers = {"Content-Length": str(LARGE_MIB * MIB)} if framing == "length" else {}
    with peak_growth(gw) as grown:
        r = client.post("/upload?pause=0.5", content=pieces(), headers=headers)
        assert r.json() == {"bytes": LARGE_MIB * MIB, "sha256": digest.hexdigest()}
        assert grown() < 16 * 1024


def test_httpx_streams_a_large_download_at_constant_memory(gw, client):
    count, digest, wanted = 0, hashlib.sha256(), hashlib.sha256()
    for _ in range(LARGE_MIB):
        wanted.update(PIECE)
    with peak_growth(gw) as grown, client.stream("GET", f"/download?mib={LARGE_MIB}") as r:
        for piece in r.iter_bytes():
            count += len(piece)
            digest.update(piece)
        assert (count, digest.hexdigest()) == (LARGE_MIB * MIB, wanted.hexdigest())
        assert grown() < 16 * 1024


def connect(gw, path="/echo", headers=None, **kwargs):
    return websockets.connect(f"wss://localhost:{gw.port}{path}", ssl=gw.client_context(), max_size=64 * MIB,
                              extra_headers=gw.auth if headers is None else headers, **kwargs)


def talk(conversation):
    asyncio.run(asyncio.wait_for(conversation(), 60 * PATIENCE))


def test_websocket_echo_both_ways(gw):
    sent = [f"text {i}" if i % 2 else os.urandom(i * 7) for i in range(500)]

    async def conversation():
        async with connect(gw) as ws:
            async def speak():
                for message in sent:
                    await ws.send(message)

            speaking = asyncio.create_task(speak())
            assert [await ws.recv() for _ in sent] == sent
            await speaking
            await (await ws.ping())

    talk(conversation)


def test_websocket_upstream_sees_the_user_and_not_the_key(gw):
    async def conversation():
        async with connect(gw) as ws:
            await ws.send("who")
            said = await ws.recv()
            assert f'"x-user-id": "{gw.alice["id"]}"' in said
            assert gw.alice_key not in said

    talk(conversation)


@pytest.mark.parametrize("offered, chosen", [(["chat.v1", "chat.v2"], "chat.v2"), (["chat.v1"], None), (None, None)])
def test_websocket_subprotocol(gw, offered, chosen):
    async def conversation():
        async with connect(gw, subprotocols=offered) as ws:
            assert ws.subprotocol == chosen

    talk(conversation)


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_websocket_large_messages(gw, compression):
    large = os.urandom(8 * MIB)

    async def conversation():
        async with connect(gw, compression=compression) as ws:
            for message in large, "ä" * (4 * MIB), b"":
                await ws.send(message)
                assert await ws.recv() == message

    talk(conversation)


def test_websocket_close_codes_arrive(gw, service):
    before = len(service.seen()["closes"])

    async def theirs():
        async with connect(gw) as ws:
            await ws.send("close 4001")
            with pytest.raises(websockets.ConnectionClosedError) as e:
                await ws.recv()
            assert e.value.code == 4001

    async def ours():
        async with connect(gw) as ws:
            await ws.close(4002, "enough")

    async def lost():
        (await connect(gw)).transport.abort()

    for conversation in theirs, ours, lost:
        talk(conversation)
    wait_until(lambda: service.seen()["closes"][before:] == [4002, 1006], what="both ends in the service")


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer sk_wrong"}])
def test_f7_websocket_without_a_good_key_is_refused(gw, headers):
    async def conversation():
        with pytest.raises(websockets.InvalidStatusCode) as e:
            await connect(gw, headers=headers)
        assert e.value.status_code == 401

    talk(conversation)


def test_websocket_refused_by_the_service(gw):
    async def conversation():
        with pytest.raises(websockets.InvalidStatusCode) as e:
            await connect(gw, "/elsewhere")
        assert e.value.status_code == 403

    talk(conversation)


def test_websocket_ends_with_its_key(gw):
    key, record = gw.api_key("alice")

    async def conversation():
        async with connect(gw, headers={"X-API-Key": key}) as ws:
            await ws.send("still here")
            assert await ws.recv() == "still here"
            await asyncio.to_thread(gw.ctl, "key", "revoke", "--yes", record["id"])
            with pytest.raises(websockets.ConnectionClosed):
                await ws.recv()

    talk(conversation)
