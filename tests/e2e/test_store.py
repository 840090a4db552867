"""Redis as it really behaves: TLS, ACL, outages, failovers, and the private server (G10, G11, D5, D16)."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest
from conftest import BUILD, PATIENCE, TOP, Process, free_port, routes, wait_until

LIMITED = "limits:\n  default: {key: user, rate: [100000/min]}\n"
KEYED = "{path: '/key', auth: required, upstream: up, limit: none}"
COUNTED = "{path: '/counted', auth: required, upstream: up}"


class Server:
    """A redis-server with options of the test's own; cli speaks over its Unix socket."""

    def __init__(self, *args):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-store-", dir="/tmp"))
        self.port, self.socket, self.args, self.runs = free_port(), self.folder / "r.sock", args, 0
        self.process = None
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self, wait=True):
        self.runs += 1
        self.process = Process(
            ["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--unixsocket", self.socket, "--save", "",
             "--dir", self.folder, "--dbfilename", "dump.rdb", *self.args], self.folder, f"redis{self.runs}")
        if wait:
            wait_until(lambda: self.cli("ping") in ("PONG", "NOAUTH Authentication required."), what="redis-server")
        return self

    def cli(self, *args):
        return subprocess.run(["redis-cli", "-s", self.socket, *[str(a) for a in args]], capture_output=True,
                              text=True, timeout=20).stdout.strip()

    def kick(self, number):
        os.kill(self.process.pid, number)

    def stop(self, sig=signal.SIGTERM):
        if self.process is not None and self.process.is_running():
            self.kick(signal.SIGCONT)
            self.process.stop(sig)


@pytest.fixture
def make_redis():
    made = []

    def make(*args, **kwargs):
        made.append(Server(*args))
        return made[-1].start(**kwargs)

    yield make
    for server in made:
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)


def start_unready(gw):
    """Started, though its store may be out of reach."""
    gw.process = Process([BUILD / "postern", "-c", gw.path], gw.folder, "postern", env=gw.env)
    wait_until(lambda: "process.ready" in gw.process.text(), what="the daemon")
    return gw


def conf_of(url, upstream, more="", redis=""):
    return f"redis: {{url: '{url}'{redis}}}\n{LIMITED}{more}" + routes(upstream, KEYED, COUNTED)


def status(gw, key, path="/counted"):
    return gw.request("GET", path, {"X-API-Key": key}).status


def logged(gw, event):
    """The first line of that event, once there is one."""
    return wait_until(lambda: next((l for l in gw.process.text().splitlines() if f'"{event}"' in l), None), 5, event)


def readiness(gw):
    return gw.control("GET", "/readyz?verbose")[1]


def is_tracked(gw):
    return "[+] invalidation link is up" in readiness(gw)


def assert_serves_and_revokes(gw, name="alice"):
    """Keys, sessions, opaque tokens and limits work; what is revoked is refused at once."""
    gw.user(name)
    key, record = gw.api_key(name)
    for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {gw.token(name)}"},
                    {"Authorization": f"Bearer {gw.token(name, '--opaque')}"}):
        assert [gw.request("GET", "/counted", headers).status for _ in range(3)] == [200] * 3
    wait_until(lambda: is_tracked(gw), 5, "the invalidation link")
    gw.ctl("key", "revoke", record["id"], "--yes")
    began = time.monotonic()
    wait_until(lambda: status(gw, key) == 401, 3, "the refusal")
    assert time.monotonic() - began < 1 * PATIENCE


# ------- how to reach it -------

@pytest.fixture(scope="module")
def authority():
    """A CA, a server certificate for localhost, a client certificate, and a CA of strangers."""
    d = pathlib.Path(tempfile.mkdtemp(prefix="postern-ca-"))

    def run(*args):
        subprocess.run(["openssl", *[str(a) for a in args]], check=True, capture_output=True, cwd=d)

    for ca in "ca", "other":
        run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{ca}.key",
            "-out", f"{ca}.pem", "-days", "9", "-subj", f"/CN={ca}")
    for leaf, usage in ("server", "serverAuth"), ("client", "clientAuth"):
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{leaf}.key",
            "-out", f"{leaf}.csr", "-subj", f"/CN={leaf}")
        (d / "ext").write_text(f"subjectAltName=DNS:localhost\nextendedKeyUsage={usage}\n")
        run("x509", "-req", "-in", f"{leaf}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "9",
            "-extfile", "ext", "-out", f"{leaf}.pem")
    yield d
    shutil.rmtree(d)


def tls_redis(make_redis, authority, clients):
    port = free_port()
    make_redis("--tls-port", port, "--tls-cert-file", authority / "server.pem", "--tls-key-file",
               authority / "server.key", "--tls-ca-cert-file", authority / "ca.pem", "--tls-auth-clients", clients)
    return f"rediss://localhost:{port}/0"


def test_redis_over_tls_with_an_authority_of_its_own(make_gateway, upstream, make_redis, authority):
    url = tls_redis(make_redis, authority, "no")
    assert_serves_and_revokes(make_gateway(conf_of(url, upstream, redis=f", ca: {authority}/ca.pem")))


def test_client_certificate_is_shown_to_a_redis_that_asks(make_gateway, upstream, make_redis, authority):
    url = tls_redis(make_redis, authority, "yes")
    redis = f", ca: {authority}/ca.pem"
    assert_serves_and_revokes(
        make_gateway(conf_of(url, upstream, redis=f"{redis}, certificate: {authority}/client.pem, key: {authority}/client.key")))
    without = start_unready(make_gateway(conf_of(url, upstream, redis=redis), start=False))
    assert without.control("GET", "/readyz")[0] == 503
    assert "certificate required" in logged(without, "redis.refused")
    assert without.ctl("user", "list", ok=False).returncode != 0


def test_redis_of_a_strange_authority_is_no_store(make_gateway, upstream, make_redis, authority):
    url = tls_redis(make_redis, authority, "no")
    gw = start_unready(make_gateway(conf_of(url, upstream, redis=f", ca: {authority}/other.pem"), start=False))
    assert gw.control("GET", "/readyz")[0] == 503
    assert gw.request("GET", "/key", {"X-API-Key": "sk_nonsense"}).status == 401
    assert "self-signed certificate in certificate chain" in logged(gw, "redis.refused")
    done = gw.ctl("user", "list", ok=False)
    assert done.returncode != 0 and "self-signed certificate in certificate chain" in done.stderr


def test_unix_socket(make_gateway, upstream, make_redis):
    assert_serves_and_revokes(make_gateway(conf_of(f"unix:{make_redis().socket}", upstream)))


# ------- as whom -------

def documented_acl():
    """The rules of docs/redis.md, as words."""
    text = (TOP / "docs/redis.md").read_text()
    found = re.search(r"^ACL SETUSER postern (.+)$", text, re.M)
    assert found, "docs/redis.md names the rules"
    return found.group(1).replace(">PASSWORD", ">s3cret-of-redis").split()


def acl_gateway(make_gateway, upstream, server, password="s3cret-of-redis", **kwargs):
    secret = server.folder / "password"
    secret.write_text(password + "\n")
    secret.chmod(0o600)
    return make_gateway(conf_of(server.url, upstream, redis=f", username: postern, password: 'file:{secret}'"), **kwargs)


def test_documented_acl_is_enough_for_everything(make_gateway, upstream, make_redis):
    server = make_redis()
    assert server.cli("acl", "setuser", "postern", *documented_acl()) == "OK"
    server.cli("acl", "setuser", "default", "nocommands", "+acl", "+client|kill", "+ping", "+script|flush")
    gw = acl_gateway(make_gateway, upstream, server)
    assert_serves_and_revokes(gw)
    assert "error_reply" not in gw.process.text()
    for args in (["user", "list"], ["session", "list", "--user", "alice"], ["key", "list", "alice"],
                 ["user", "disable", "alice", "--yes"], ["user", "enable", "alice"], ["signing-key", "rotate"],
                 ["user", "delete", "alice", "--yes"]):
        gw.ctl(*args)
    assert server.cli("acl", "log") == "", "nothing was denied"


def test_documented_acl_gives_nothing_dangerous(make_redis):
    server = make_redis()
    server.cli("acl", "setuser", "postern", *documented_acl())
    for command in (["flushall"], ["keys", "*"], ["config", "get", "*"], ["acl", "list"], ["info"],
                    ["get", "others"], ["set", "others", "1"], ["subscribe", "news"], ["script", "flush"], ["shutdown"],
                    ["client", "kill", "type", "normal"], ["replicaof", "no", "one"], ["monitor"]):
        answer = subprocess.run(["redis-cli", "-s", server.socket, "--user", "postern", "--pass", "s3cret-of-redis",
                                 "--no-auth-warning", *command], capture_output=True, text=True, timeout=20).stdout
        assert "NOPERM" in answer or "can't run this command" in answer, (command, answer)


def test_every_word_of_the_documented_acl_is_needed(make_gateway, upstream, make_redis):
    server, words = make_redis(), documented_acl()
    server.cli("acl", "setuser", "postern", *words)
    gw = acl_gateway(make_gateway, upstream, server)
    gw.user("alice")
    key, _ = gw.api_key("alice")

    def works():
        return status(gw, key) == 200 and is_tracked(gw)

    wait_until(works, 5, "the whole list to do")
    for word in words:
        if word[0] not in "+~&" or word == "+select":  # select: only for a database other than 0
            continue
        server.cli("acl", "setuser", "postern", "reset", *[w for w in words if w != word])
        server.cli("client", "kill", "type", "pubsub")
        server.cli("script", "flush")
        wait_until(lambda: not works(), 5, f"a failure without {word}")
        server.cli("acl", "setuser", "postern", *words)
        wait_until(works, 10, f"recovery with {word}")


def test_wrong_password_is_said_clearly_and_mended_without_a_restart(make_gateway, upstream, make_redis):
    server = make_redis()
    server.cli("acl", "setuser", "postern", *documented_acl())
    gw = start_unready(acl_gateway(make_gateway, upstream, server, password="wr0ng-one", start=False))
    wait_until(lambda: "redis.refused" in gw.process.text(), 5, "the complaint")
    assert "WRONGPASS" in gw.process.text() and "wr0ng-one" not in gw.process.text()
    assert gw.process.text().count("redis.refused") <= 6, "once a link, not once an attempt"
    assert "[-] redis answers" in readiness(gw)
    done = gw.ctl("user", "list", ok=False)
    assert done.returncode != 0 and "WRONGPASS" in done.stderr and "wr0ng-one" not in done.stderr
    server.cli("acl", "setuser", "postern", ">wr0ng-one")
    wait_until(lambda: gw.is_ready() and is_tracked(gw), 5, "readiness")
    assert_serves_and_revokes(gw)


def test_user_in_the_url_is_the_user(make_gateway, upstream, make_redis):
    server = make_redis()
    server.cli("acl", "setuser", "postern", *documented_acl())
    gw = acl_gateway(make_gateway, upstream, server, start=False)
    gw.path.write_text(gw.path.read_text().replace("username: postern, ", "").replace("redis://", "redis://postern@"))
    assert_serves_and_revokes(gw.start())


def test_password_from_the_environment_names_a_file(make_gateway, upstream, make_redis):
    server = make_redis("--requirepass", "of-all")
    secret = server.folder / "password"
    secret.write_text("of-all\n")
    secret.chmod(0o600)
    gw = make_gateway(conf_of(server.url, upstream), env={"POSTERN_REDIS__PASSWORD_FILE": str(secret)})
    assert_serves_and_revokes(gw)


# ------- outages -------

@pytest.fixture
def served(make_gateway, upstream, make_redis):
    """A gateway on a Redis with an append-only file, and a key of alice."""
    server = make_redis("--appendonly", "yes", "--appendfsync", "always")
    gw = make_gateway(conf_of(server.url, upstream, redis=", timeout: 300ms"))
    gw.user("alice")
    key, record = gw.api_key("alice")
    wait_until(lambda: status(gw, key) == 200 and is_tracked(gw), 5, "service")
    return gw, server, key, record


class Asking:
    """Asks again and again on a thread of its own, and keeps (seconds, status)."""

    def __init__(self, gw, key, path="/counted"):
        self.seen, self.done, self.args = [], threading.Event(), (gw, key, path)
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.done.is_set():
            began = time.monotonic()
            answer = status(*self.args)
            self.seen.append((began, time.monotonic() - began, answer))
            time.sleep(0.01)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.done.set()
        self.thread.join()

    def statuses(self):
        return {s for _, _, s in self.seen}

    def last_ok(self):
        return max(at for at, _, s in self.seen if s == 200)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_r17_restarted_redis_is_503_meanwhile_and_never_401(served, how):
    gw, server, key, _ = served
    with Asking(gw, key) as asking:
        server.stop(how)
        wait_until(lambda: 503 in asking.statuses(), 5, "the outage")
        server.start()
        began = time.monotonic()
        wait_until(lambda: status(gw, key) == 200 and is_tracked(gw), 10, "the recovery")
        assert time.monotonic() - began < 3 * PATIENCE
    assert asking.statuses() == {200, 503}
    assert max(took for _, took, _ in asking.seen) < 1.5 * PATIENCE
    # One line a change of state (R17), not one a request: three threads, some links each.
    assert gw.process.text().count("redis.link_lost") <= 6


def test_script_flush_costs_nobody_an_answer(served):
    gw, server, key, _ = served
    for _ in range(3):
        assert server.cli("script", "flush") == "OK"
        assert [status(gw, key) for _ in range(3)] == [200] * 3
    assert "redis.error_reply" not in gw.process.text(), "NOSCRIPT has a remedy and is no news"


def test_r17_paused_clients_are_503_within_the_deadline_and_recover(served):
    gw, server, key, _ = served
    with Asking(gw, key) as asking:
        server.cli("client", "pause", 1500, "ALL")
        wait_until(lambda: 503 in asking.statuses(), 5, "the refusal")
        wait_until(lambda: status(gw, key) == 200 and is_tracked(gw), 10, "the recovery")
    assert asking.statuses() == {200, 503}
    assert max(took for _, took, _ in asking.seen) < 1 * PATIENCE, "redis.timeout is 300 ms"


def test_new_deadline_holds_after_a_reload(served, upstream):
    gw, server, key, _ = served
    gw.write(conf_of(server.url, upstream, redis=", timeout: 5s"))
    assert gw.reload()[0]
    server.kick(signal.SIGSTOP)
    threading.Timer(1.5, lambda: server.kick(signal.SIGCONT)).start()
    assert status(gw, key) == 200, "within 5 s it answered"
    gw.write(conf_of(server.url, upstream, redis=", timeout: 200ms"))
    assert gw.reload()[0]
    server.kick(signal.SIGSTOP)
    began = time.monotonic()
    assert status(gw, key) == 503 and time.monotonic() - began < 1 * PATIENCE
    server.kick(signal.SIGCONT)
    wait_until(lambda: status(gw, key) == 200, 5, "the recovery")


def test_flushall_takes_every_grant_at_once(served):
    gw, server, key, _ = served
    assert status(gw, key) == 200
    server.cli("flushall")
    began = time.monotonic()
    wait_until(lambda: status(gw, key) == 401, 3, "the refusal")
    assert time.monotonic() - began < 0.5 * PATIENCE


@pytest.mark.parametrize("mode,max_stale,bound", [("closed", 6, 2), ("cached", 0, 2), ("cached", 4, 4)])
def test_g11_cached_grants_serve_no_longer_than_max_stale(make_gateway, upstream, make_redis, mode, max_stale, bound):
    """Until silence proves the link dead, 2 s, messages are known to arrive; behind that, only what is asked for."""
    server = make_redis()
    gw = make_gateway(conf_of(server.url, upstream, f"auth: {{on_store_down: {mode}}}\n",
                              f", timeout: 300ms, max_stale: {max_stale}s"))
    gw.user("alice")
    key, _ = gw.api_key("alice")
    wait_until(lambda: is_tracked(gw), 5, "the invalidation link")
    assert [status(gw, key, "/key") for _ in range(24)] == [200] * 24, "both workers have it now"
    stopped = time.monotonic()
    server.kick(signal.SIGSTOP)
    with Asking(gw, key, "/key") as asking:
        wait_until(lambda: time.monotonic() > stopped + bound + 1.5, bound + 5, "the bound")
        assert asking.statuses() == {200, 503}
    assert asking.last_ok() - stopped < bound + 0.3 * PATIENCE
    if mode == "cached" and max_stale:
        assert asking.last_ok() - stopped > max_stale - 2, "a grant in use serves on: one PING old, a TICK late"
    server.kick(signal.SIGCONT)
    wait_until(lambda: status(gw, key, "/key") == 200, 5, "the recovery")


@pytest.mark.parametrize("mode,expected", [("closed", 503), ("open", 200)])
def test_limit_without_store_is_closed_unless_it_says_open(make_gateway, upstream, make_redis, mode, expected):
    server = make_redis()
    gw = make_gateway(
        f"redis: {{url: '{server.url}', timeout: 300ms}}\n"
        f"limits:\n  default: {{key: address, rate: [100/min], on_store_down: {mode}}}\n"
        + routes(upstream, "{path: '/**', auth: public, upstream: up}"))
    assert gw.request("GET", "/x").status == 200
    server.kick(signal.SIGSTOP)
    answer = gw.request("GET", "/x")
    assert answer.status == expected
    assert (answer.headers.get("retry-after") is not None) == (expected == 503)
    server.kick(signal.SIGCONT)
    wait_until(lambda: gw.request("GET", "/x").status == 200 and gw.is_ready(), 5, "the recovery")


def test_local_answers_do_not_wait_for_a_store_that_is_away(served):
    gw, server, key, _ = served
    server.kick(signal.SIGSTOP)
    began = time.monotonic()
    for _ in range(5):
        assert gw.request("GET", "/key").status == 401
        assert gw.request("GET", "/nowhere").status == 404
    assert time.monotonic() - began < 1 * PATIENCE


class Relay:
    """A wire to Redis that can fall silent for the invalidation link alone, as a half-open connection does."""

    def __init__(self, port):
        self.to, self.is_silent = port, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                near.close()
                continue
            link = {"tracks": False}
            threading.Thread(target=self.pump, args=(near, far, link, True), daemon=True).start()
            threading.Thread(target=self.pump, args=(far, near, link, False), daemon=True).start()

    def pump(self, a, b, link, is_request):
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                link["tracks"] |= is_request and b"SUBSCRIBE" in data
                if not (link["tracks"] and self.is_silent.is_set()):
                    b.sendall(data)
        for s in a, b:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)


def test_g11_silent_invalidation_link_serves_nothing_stale_beyond_two_seconds(make_gateway, upstream, make_redis):
    server = make_redis()
    relay = Relay(server.port)
    gw = make_gateway(conf_of(f"redis://127.0.0.1:{relay.port}/0", upstream))
    gw.user("alice")
    key, record = gw.api_key("alice")
    wait_until(lambda: is_tracked(gw), 5, "the invalidation link")
    assert [status(gw, key) for _ in range(24)] == [200] * 24
    relay.is_silent.set()
    gw.ctl("key", "revoke", record["id"], "--yes")
    revoked = time.monotonic()
    with Asking(gw, key) as asking:
        wait_until(lambda: time.monotonic() > revoked + 3, 5, "three seconds")
    assert asking.statuses() <= {200, 401} and asking.seen[-1][2] == 401
    assert asking.last_ok() - revoked < 2 + 0.3 * PATIENCE if 200 in asking.statuses() else True
    relay.is_silent.clear()
    wait_until(lambda: is_tracked(gw), 5, "the link again")
    relay.listener.close()


def test_loading_redis_is_503_until_it_has_loaded(served):
    gw, server, key, _ = served
    server.cli("config", "set", "appendonly", "no")
    server.cli("eval", "for i = 1, 3000 do redis.call('SET', 'filler:' .. i, i) end", 0)
    assert server.cli("save") == "OK"
    server.stop()
    server.args = ("--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024", "--appendonly", "no")
    server.start(wait=False)
    wait_until(lambda: "LOADING" in server.cli("ping"), 5, "the loading")
    answers = set()
    while "LOADING" in server.cli("ping"):
        answers.add(status(gw, key))
    assert answers <= {503, 200} and 503 in answers
    wait_until(lambda: status(gw, key) == 200 and is_tracked(gw), 10, "the recovery")


def test_demoted_primary_is_503_for_what_must_write_and_recovers(served, make_redis):
    gw, server, key, _ = served
    replica = make_redis("--replicaof", f"127.0.0.1 {server.port}")
    wait_until(lambda: "master_link_status:up" in replica.cli("info", "replication"), 10, "the replica")
    replica.cli("replicaof", "no", "one")
    server.cli("replicaof", "127.0.0.1", replica.port)
    wait_until(lambda: "master_link_status:up" in server.cli("info", "replication"), 10, "the demotion")
    answers = [status(gw, key) for _ in range(5)]
    assert set(answers) == {503}, "an allowance that cannot be counted is closed"
    assert "READONLY" in gw.process.text()
    server.cli("replicaof", "no", "one")
    wait_until(lambda: status(gw, key) == 200 and is_tracked(gw), 10, "the recovery")


# ------- the private server -------

def private_pid(gw):
    return int((gw.state / "redis/redis.pid").read_text())


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with contextlib.suppress(FileNotFoundError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    return False


def test_private_redis_killed_comes_back_with_its_data(make_gateway, upstream):
    gw = make_gateway(LIMITED + routes(upstream, KEYED, COUNTED))
    gw.user("alice")
    key, _ = gw.api_key("alice")
    token = gw.token("alice")
    wait_until(lambda: status(gw, key) == 200, 5, "service")
    time.sleep(1.5)  # appendfsync everysec: a kill of the process loses nothing, but be sure of the file
    for _ in range(2):
        pid = private_pid(gw)
        with Asking(gw, key) as asking:
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not is_alive(pid), 5, "its end")
            wait_until(lambda: private_pid(gw) != pid and is_tracked(gw), 10, "its return")
            wait_until(lambda: status(gw, key) == 200, 5, "the recovery")
        assert asking.statuses() <= {200, 503}
        # perhaps by the other worker, whose link comes back by itself
        wait_until(lambda: gw.request("GET", "/key", {"Authorization": f"Bearer {token}"}).status == 200, 5, "the token's")
    assert "redis.private_ended" in gw.process.text() and "redis.private_restarted" in gw.process.text()


def test_private_redis_ends_with_us_and_its_file_survives(make_gateway, upstream, tmp_path):
    conf = LIMITED + routes(upstream, KEYED, COUNTED)
    state = tmp_path / "kept"
    a = make_gateway(conf, state=state)
    a.user("alice")
    key, record = a.api_key("alice")
    other, _ = a.api_key("alice")
    assert status(a, key) == 200
    a.ctl("key", "revoke", record["id"], "--yes")
    pid = private_pid(a)
    assert a.stop() == 0
    wait_until(lambda: not is_alive(pid), 5, "the end of the private server")
    b = make_gateway(conf, state=state)
    assert status(b, other) == 200 and status(b, key) == 401, "what was granted and what was taken away"


def test_private_redis_ends_with_a_daemon_that_is_killed(make_gateway, upstream, tmp_path):
    conf = LIMITED + routes(upstream, KEYED, COUNTED)
    state = tmp_path / "kept"
    a = make_gateway(conf, state=state)
    a.user("alice")
    key, _ = a.api_key("alice")
    pid = private_pid(a)
    os.kill(a.process.pid, signal.SIGKILL)
    a.process.child.wait()
    wait_until(lambda: not is_alive(pid), 10, "the end of the private server")
    b = make_gateway(conf, state=state)
    assert status(b, key) == 200


def test_private_redis_that_loads_for_long_is_waited_for(make_gateway, upstream, tmp_path):
    """Longer than a start waits: the daemon is up, answers 503, and is ready when the file is read."""
    conf, state = routes(upstream, KEYED), tmp_path / "kept"
    a = make_gateway(conf, state=state)
    a.user("alice")
    key, _ = a.api_key("alice")
    fill = "for i = 1, 4800 do redis.call('SET', 'filler:' .. i, i) end"
    subprocess.run(["redis-cli", "-s", state / "redis/redis.sock", "eval", fill, "0"], check=True, capture_output=True)
    subprocess.run(["redis-cli", "-s", state / "redis/redis.sock", "bgrewriteaof"], check=True, capture_output=True)
    wait_until(lambda: "aof_rewrite_in_progress:0" in subprocess.run(
        ["redis-cli", "-s", state / "redis/redis.sock", "info", "persistence"], capture_output=True, text=True).stdout)
    assert a.stop() == 0
    slow = tmp_path / "slow-redis"
    slow.write_text('#!/bin/sh\nexec redis-server "$@" --key-load-delay 2500 --loading-process-events-interval-bytes 1024\n')
    slow.chmod(0o755)
    b = make_gateway(f"redis: {{server_program: {slow}}}\n" + conf, state=state, start=False)
    b.process = Process([BUILD / "postern", "-c", b.path], b.folder, "postern", env=b.env)
    wait_until(lambda: "process.ready" in b.process.text() or not b.process.is_running(), 20, "the daemon")
    assert b.process.is_running(), b.process.text()
    assert status(b, key, "/key") == 503 and b.control("GET", "/readyz")[0] == 503
    wait_until(lambda: status(b, key, "/key") == 200, 20, "the end of the loading")


def test_private_redis_is_for_its_user_only(make_gateway, upstream):
    gw = make_gateway(routes(upstream, KEYED))
    where = gw.state / "redis"
    assert os.stat(where).st_mode & 0o077 == 0 and os.stat(where / "redis.sock").st_mode & 0o077 == 0
    listening = subprocess.run(["redis-cli", "-s", where / "redis.sock", "config", "get", "port"], capture_output=True,
                               text=True, timeout=10).stdout.split()
    assert listening == ["port", "0"]
