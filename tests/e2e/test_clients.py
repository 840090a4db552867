"""The official OpenAI SDK (npm, exact version) through postern over TLS, before a scripted upstream."""
import base64
import email
import email.policy
import hashlib
import json
import os
import queue
import shutil
import struct
import subprocess
import threading
import time

import pytest
from conftest import BUILD, PATIENCE, TOP, routes, wait_until

CLIENTS = TOP / "tests/e2e/clients"
UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT", "ERR_SOCKET_TIMEOUT",
               # something on the way answers in its place
               "SELF_SIGNED_CERT_IN_CHAIN", "DEPTH_ZERO_SELF_SIGNED_CERT", "UNABLE_TO_GET_ISSUER_CERT", "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
               "E403", "E407", "E502", "E503", "E504")
CHUNKS = ["Nobody", " but", " us", "."]


@pytest.fixture(scope="session")
def node_modules():
    """Where the pinned packages are: installed once below the build folder, never in the tree."""
    home = BUILD / "clients"
    wanted = {name: (CLIENTS / name).read_text() for name in ("package.json", "package-lock.json", ".npmrc")}
    done = home / "installed.json"
    if not done.exists() or json.loads(done.read_text()) != wanted:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        for name, text in wanted.items():
            (home / name).write_text(text)
        npm = subprocess.run(["npm", "ci", "--fetch-retries=1", "--fetch-timeout=60000"], cwd=home,
                             capture_output=True, text=True, timeout=300)
        if npm.returncode != 0 and any(f" code {code}" in npm.stderr for code in UNREACHABLE):
            pytest.skip("the npm registry cannot be reached")
        assert npm.returncode == 0, npm.stdout + npm.stderr
        done.write_text(json.dumps(wanted))
    return home / "node_modules"


class Script:
    """A running case of clients/openai.cjs; next() is what it says next."""

    def __init__(self, gw, node_modules, case, key, base="/v1"):
        self.child = subprocess.Popen(
            ["node", CLIENTS / "openai.cjs", case], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "NODE_PATH": str(node_modules), "NODE_EXTRA_CA_CERTS": str(gw.cert),
                 "BASE_URL": gw.url(base), "API_KEY": key})
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.child.stdout:
            self.lines.put((time.monotonic(), json.loads(line)))
        self.lines.put((time.monotonic(), None))

    def next_at(self):
        return self.lines.get(timeout=30 * PATIENCE)

    def next(self):
        said = self.next_at()[1]
        assert said is not None, self.child.stderr.read()
        return said

    def finish(self):
        """The rest of what it says; the script has to end well."""
        said = []
        while (line := self.next_at()[1]) is not None:
            said.append(line)
        assert self.child.wait(30 * PATIENCE) == 0, self.child.stderr.read()
        return said


class Model:
    """An OpenAI-compatible service. A streamed answer waits before each chunk until it may go on."""

    def __init__(self):
        self.may_go_on = threading.Semaphore(0)
        self.closed_at = None

    def __call__(self, request, conn):
        answer = {
            "/v1/models": self.models, "/v1/chat/completions": self.chat,
            "/v1/embeddings": self.embeddings, "/v1/files": self.files,
        }.get(request["target"])
        if answer is None:
            return json_answer({"error": {"message": "no such path", "type": "invalid_request_error"}}, 404)
        return answer(request, conn)

    def models(self, request, conn):
        return json_answer({"object": "list", "data": [
            {"id": name, "object": "model", "created": 1, "owned_by": "us"} for name in ("tiny", "large")]})

    def chat(self, request, conn):
        asked = json.loads(request["body"])
        if not asked.get("stream"):
            return json_answer({"id": "c1", "object": "chat.completion", "created": 1, "model": asked["model"], "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "".join(CHUNKS)}, "finish_reason": "stop"}]})
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for i, piece in enumerate(CHUNKS):
            if i > 0 and not self.wait_for_leave(conn):
                return "close"
            event = json.dumps({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "tiny",
                                "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]})
            send_chunk(conn, f"data: {event}\n\n".encode())
        send_chunk(conn, b"data: [DONE]\n\n")
        send_chunk(conn, b"")
        return None

    def wait_for_leave(self, conn):
        """False when the gateway closed the connection first."""
        conn.settimeout(0.005)
        while not self.may_go_on.acquire(blocking=False):
            try:
                if conn.recv(1) == b"":
                    self.closed_at = time.monotonic()
                    return False
            except TimeoutError:
                pass
            except OSError:
                self.closed_at = time.monotonic()
                return False
        conn.settimeout(60)
        return True

    def embeddings(self, request, conn):
        asked = json.loads(request["body"])
        texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
        vectors = [[float(i), 0.5] for i in range(len(texts))]
        if asked.get("encoding_format") == "base64":  # what the SDK asks for by itself
            vectors = [base64.b64encode(struct.pack("<2f", *v)).decode() for v in vectors]
        return json_answer({"object": "list", "model": "tiny", "data": [
            {"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]})

    def files(self, request, conn):
        head = f"Content-Type: {request['low']['content-type']}\r\n\r\n".encode()
        form = email.message_from_bytes(head + request["body"], policy=email.policy.HTTP)
        parts = {part.get_param("name", header="content-disposition"): part for part in form.iter_parts()}
        content = parts["file"].get_payload(decode=True)
        return json_answer({
            "id": hashlib.sha256(content).hexdigest(), "object": "file", "bytes": len(content), "created_at": 1,
            "filename": parts["file"].get_filename(), "purpose": parts["purpose"].get_content().strip()})


def json_answer(value, status=200):
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def send_chunk(conn, data):
    conn.sendall(b"%x\r\n%s\r\n" % (len(data), data))


@pytest.fixture
def model():
    return Model()


@pytest.fixture
def gw(make_gateway, make_upstream, model):
    up = make_upstream(model)
    g = make_gateway(
        "limits:\n  slow: {key: principal, rate: 20/min, burst: 1}\n  hourly: {key: principal, rate: 1/h}\n"
        + routes(up, "{path: /v1/**, upstream: up}",
                 "{path: /slow/v1/**, upstream: up, strip_prefix: /slow, limit: slow}",
                 "{path: /hourly/v1/**, upstream: up, strip_prefix: /hourly, limit: hourly}"))
    g.up = up
    g.alice = g.user("alice")
    g.alice_key, g.alice_key_record = g.api_key("alice")
    return g


@pytest.fixture
def run(gw, node_modules):
    """run(case) -> a running Script; all have ended with the test."""
    made = []

    def start(case, key=None, **kwargs):
        made.append(Script(gw, node_modules, case, key or gw.alice_key, **kwargs))
        return made[-1]

    yield start
    for script in made:
        script.child.kill()
        script.child.wait()


def test_openai_models(gw, run):
    assert run("models").finish() == [{"ids": ["tiny", "large"]}]


def test_openai_chat_and_its_request_id(gw, run):
    [said] = run("chat").finish()
    assert said["text"] == "Nobody but us."
    wait_until(lambda: any(line["request_id"] == said["request_id"] for line in gw.access_lines()), what="the access line")


def test_openai_upstream_sees_the_user_and_not_the_key(gw, run):
    run("chat").finish()
    [request] = gw.up.requests
    assert request["low"]["x-user-id"] == gw.alice["id"]
    assert request["low"]["x-auth-method"] == "api_key"
    assert "authorization" not in request["low"]
    assert gw.alice_key not in json.dumps(request["headers"]) + request["body"].decode()
    assert request["low"]["x-stainless-lang"] == "js", "the SDK's own fields go through"


def test_openai_chunks_arrive_one_by_one(gw, run, model):
    script = run("stream")
    for piece in CHUNKS:  # the upstream sends the next one only when this one was seen
        assert script.next() == {"piece": piece}
        model.may_go_on.release()
    assert script.finish() == [{"end": True}]


def test_openai_abort_cancels_the_upstream(gw, run, model):
    script = run("abort")
    assert script.next() == {"piece": CHUNKS[0]}
    at, said = script.next_at()
    assert said == {"aborted": True}
    wait_until(lambda: model.closed_at, 10, "the end of the upstream's connection")
    assert model.closed_at - at < 1 * PATIENCE
    assert script.finish() == []
    wait_until(lambda: any(line.get("close") == "client_gone" for line in gw.access_lines()), what="the record")


def test_openai_embeddings(gw, run):
    assert run("embeddings").finish() == [{"vectors": [[0, 0.5], [1, 0.5]]}]


UPLOADS = {  # as in openai.cjs
    "upload": ("notes.txt", (b"postern" * (3 * 1024 * 1024 // 7 + 1))[: 3 * 1024 * 1024]),
    "upload_streaming": ("stream.txt", b"".join((b"%d" % (i % 10)) * 64 * 1024 for i in range(64))),
}


@pytest.mark.parametrize("case", UPLOADS)
def test_openai_file_upload(gw, run, case):
    name, content = UPLOADS[case]
    [said] = run(case).finish()
    assert (said["filename"], said["bytes"], said["purpose"]) == (name, len(content), "assistants")
    assert said["id"] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("key", ["sk_wrong", "changed"])
def test_openai_wrong_key_is_an_authentication_error(gw, run, key):
    if key == "changed":
        key = gw.alice_key[:-1] + ("A" if gw.alice_key[-1] != "A" else "B")
    [said] = run("chat", key).finish()
    assert (said["error"], said["status"], said["code"]) == ("AuthenticationError", 401, "unauthenticated")
    assert "A valid credential is required." in said["message"]
    wait_until(lambda: any(line["request_id"] == said["request_id"] for line in gw.access_lines()), what="the access line")
    assert not gw.up.requests


def test_openai_error_of_the_upstream_passes(gw, run, model):
    model.models = lambda request, conn: json_answer(
        {"error": {"message": "the model is asleep", "type": "server_error", "code": "asleep"}}, 503)
    [said] = run("models").finish()
    assert (said["error"], said["status"], said["code"]) == ("InternalServerError", 503, "asleep")
    assert said["request_id"]


def statuses(gw, count):
    """Sorted: each worker writes its own lines, in its own time."""
    lines = wait_until(lambda: len(gw.access_lines()) >= count and gw.access_lines(), what="the access lines")
    return sorted(line["status"] for line in lines)


def test_openai_waits_for_retry_after_and_tries_again(gw, run):
    first, second = run("hurry", base="/slow/v1").finish()
    assert second["ms"] >= 2000, "one unit in three seconds: the second call has to wait"
    assert len(gw.up.requests) == 2
    assert statuses(gw, 3) == [200, 200, 429]


def test_openai_does_not_retry_what_stays_exhausted(gw, run):
    first, refused = run("hurry", base="/hourly/v1").finish()
    assert (refused["error"], refused["status"], refused["type"]) == ("RateLimitError", 429, "rate_limit_error")
    assert statuses(gw, 2) == [200, 429]


@pytest.mark.parametrize("path, said", [("/slow/v1/models", None), ("/hourly/v1/models", "false")])
def test_refusal_says_when_retrying_is_in_vain(gw, path, said):
    answers = [gw.request("GET", path, {"Authorization": f"Bearer {gw.alice_key}"}) for _ in range(2)]
    assert [a.status for a in answers] == [200, 429]
    assert answers[1].headers.get("x-should-retry") == said
    assert int(answers[1].headers["retry-after"]) >= 1
