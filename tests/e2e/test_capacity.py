"""What connections cost, and what happens when there are too many (G13, G15)."""
import os
import pathlib
import resource
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest
from conftest import BUILD, PATIENCE, routes, wait_until

PUBLIC = "{path: '/**', auth: public, upstream: up}"
GET = b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"
IDLE = 2000


def rss_kb(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(next(l for l in text.splitlines() if l.startswith("Rss:")).split()[1])


def fd_count(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.fixture
def descriptors():
    """Enough of them for a client's and the daemon's end of every connection."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < 2 * IDLE:
        pytest.skip(f"only {before[1]} descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.skipif(BUILD.name in ("asan", "tsan"), reason="a sanitizer's memory is not ours")
@pytest.mark.parametrize("tls", [True, False])
def test_g13_idle_connections_are_cheap_and_come_back(make_gateway, upstream, descriptors, tls):
    gw = make_gateway(routes(upstream, PUBLIC), tls=tls, server="  keepalive_timeout: 10m\n")
    context = gw.client_context()

    def connect():
        s = socket.create_connection(("127.0.0.1", gw.port), timeout=20)
        if tls:
            s = context.wrap_socket(s, server_hostname="localhost")
        s.sendall(GET)
        assert s.recv(65536).startswith(b"HTTP/1.1 200 ")
        return s

    for s in [connect() for _ in range(100)]:  # allocator arenas, upstream connections, caches
        s.close()
    wait_until(lambda: fd_count(gw.process.pid) < 150, 5, "the closing")
    fds, before = fd_count(gw.process.pid), rss_kb(gw.process.pid)
    held = [connect() for _ in range(IDLE)]
    each = (rss_kb(gw.process.pid) - before) / IDLE
    print(f"\n{'TLS' if tls else 'plain'}: {each:.1f} KiB resident for each of {IDLE} idle connections")
    assert each < 64, "G13"
    for s in held:
        s.close()
    wait_until(lambda: fd_count(gw.process.pid) <= fds + 6, 10, "the descriptors (G14)")
    again = [connect() for _ in range(IDLE)]
    assert rss_kb(gw.process.pid) - before < IDLE * each * 1.15 + 1024, "the memory of the first lot is used again"
    for s in again:
        s.close()


def opens(gw):
    """Whether a new connection is served."""
    try:
        return gw.request("GET", "/x", timeout=3).status == 200
    except (OSError, ssl.SSLError):
        return False


def test_max_connections_closes_more_and_takes_again(make_gateway, upstream):
    gw = make_gateway(routes(upstream, PUBLIC), server="  max_connections: 5\n")
    held = [gw.connect() for _ in range(5)]
    for s in held:
        s.sendall(GET)
        assert s.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert [opens(gw) for _ in range(6)] == [False] * 6, "over both workers"
    for s in held:
        s.sendall(GET)
        assert s.recv(65536).startswith(b"HTTP/1.1 200 "), "who is in stays in"
    held.pop().close()
    wait_until(lambda: opens(gw), 5, "room for one")
    for s in held:
        s.close()


def test_half_handshakes_count_and_give_their_place_back(make_gateway, upstream):
    gw = make_gateway(routes(upstream, PUBLIC), server="  max_connections: 5\n  handshake_timeout: 1s\n")
    # More than fit: the workers accept each at their own pace, and the sixth may come first.
    silent = [socket.create_connection(("127.0.0.1", gw.port)) for _ in range(10)]
    wait_until(lambda: not opens(gw), 5, "the refusal")
    wait_until(lambda: opens(gw), 10, "the deadline of the silent ones")
    for s in silent:
        s.close()


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_g15_without_descriptors_it_lives_idles_and_recovers(make_gateway, upstream):
    gw = make_gateway(routes(upstream, PUBLIC), tls=False)
    assert opens(gw)
    most = fd_count(gw.process.pid) + 20
    subprocess.run(["prlimit", f"--pid={gw.process.pid}", f"--nofile={most}"], check=True)
    held = []
    for _ in range(60):
        held.append(socket.create_connection(("127.0.0.1", gw.port), timeout=5))
    wait_until(lambda: "listener.cannot_accept" in gw.process.text(), 5, "the complaint")
    began, used = time.monotonic(), cpu_seconds(gw.process.pid)
    time.sleep(2)
    share = (cpu_seconds(gw.process.pid) - used) / (time.monotonic() - began)
    assert share < 0.5, f"{share:.0%} of a core while nothing can be done"
    assert gw.process.text().count("listener.cannot_accept") <= 4, "told now and then, not once a connection"
    for s in held:
        s.close()
    began = time.monotonic()
    wait_until(lambda: opens(gw), 10, "the recovery")
    assert time.monotonic() - began < 5 * PATIENCE


@pytest.mark.parametrize("tls", [False, True])
def test_drain_answers_who_waits_in_the_backlog(make_gateway, upstream, tls):
    """To a client a connection is open once the kernel has taken it; a restart must not reset it."""
    gw = make_gateway(routes(upstream, PUBLIC), tls=tls)
    context, held, answers = gw.client_context(), [], []
    os.kill(gw.process.pid, signal.SIGSTOP)
    # More than a worker takes in a turn; with TLS no more than can shake hands within two seconds anywhere.
    count = 300 if not tls else 40 // PATIENCE
    for _ in range(count):
        s = socket.create_connection(("127.0.0.1", gw.port), timeout=20 * PATIENCE)
        if not tls:
            s.sendall(GET)
        held.append(s)
    os.kill(gw.process.pid, signal.SIGTERM)

    def finish(mine):
        for s in mine:
            try:
                if tls:
                    s = context.wrap_socket(s, server_hostname="localhost")
                    s.sendall(GET)
                answers.append(s.recv(65536)[:13])
            except OSError as e:
                answers.append(repr(e))
            s.close()

    threads = [threading.Thread(target=finish, args=(held[i::40],)) for i in range(40)]
    [t.start() for t in threads]
    os.kill(gw.process.pid, signal.SIGCONT)
    [t.join() for t in threads]
    assert set(answers) == {b"HTTP/1.1 200 "}, {str(a): answers.count(a) for a in set(answers)}
    assert gw.process.child.wait(20 * PATIENCE) == 0


def test_drain_does_not_wait_for_who_says_nothing(make_gateway, upstream):
    gw = make_gateway(routes(upstream, PUBLIC), server="  handshake_timeout: 60s\n  head_timeout: 60s\n")
    silent = [socket.create_connection(("127.0.0.1", gw.port)) for _ in range(8)]
    assert opens(gw)
    began = time.monotonic()
    assert gw.stop() == 0
    assert time.monotonic() - began < 6 * PATIENCE
    for s in silent:
        s.close()
