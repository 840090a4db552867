"""Somebody else's identity provider: its keys, its tokens, the server of its JWKS document, and how a gateway takes them."""
import http.server
import json
import threading
import time

import jwt
from conftest import PATIENCE, wait_until
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ALGORITHMS = [f"{family}{bits}" for family in ("HS", "RS", "PS", "ES") for bits in (256, 384, 512)] + ["EdDSA"]
AUDIENCE = "ml"
SECRET = "0123456789abcdef" * 4

_rsa = rsa.generate_private_key(65537, 2048)


def make_key(alg):
    """A private key for alg. RSA is slow to make: one serves wherever the key does not matter."""
    if alg.startswith("HS"):
        return SECRET
    if alg[:2] in ("RS", "PS"):
        return _rsa
    if alg == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key({"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}[alg]())


def public_pem(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def public_jwk(key, alg, kid=None):
    kind = jwt.algorithms.get_default_algorithms()[alg]
    if alg.startswith("ES"):
        jwk = ec_jwk(key)
    else:
        jwk = json.loads(kind.to_jwk(key.public_key()))
        jwk.pop("key_ops", None)
    jwk.update({"alg": alg, "use": "sig"})
    if kid is not None:
        jwk["kid"] = kid
    return jwk


def ec_jwk(key):
    numbers, size = key.public_key().public_numbers(), (key.curve.key_size + 7) // 8
    return {
        "kty": "EC", "crv": {256: "P-256", 384: "P-384", 521: "P-521"}[key.curve.key_size],
        "x": jwt.utils.base64url_encode(numbers.x.to_bytes(size, "big")).decode(),
        "y": jwt.utils.base64url_encode(numbers.y.to_bytes(size, "big")).decode(),
    }


def document(*jwks):
    return json.dumps({"keys": jwks}).encode()


class Issuer:
    """An issuer with one signing key at a time."""

    def __init__(self, name="https://idp.test", alg="ES256", kid="k1", key=None):
        self.name, self.alg, self.kid = name, alg, kid
        self.key = key or make_key(alg)

    def rotate(self, kid, alg=None):
        self.alg, self.kid = alg or self.alg, kid
        self.key = make_key(self.alg)

    @property
    def jwk(self):
        return public_jwk(self.key, self.alg, self.kid)

    def claims(self, **changes):
        claims = {"iss": self.name, "aud": AUDIENCE, "sub": "ext-1", "iat": int(time.time()),
                  "exp": int(time.time()) + 600, **changes}
        return {k: v for k, v in claims.items() if v is not None}

    def token(self, headers=None, key=None, alg=None, **changes):
        """A token; a claim of None is left out, a header member of None too."""
        head = {"kid": self.kid, **(headers or {})}
        head = {k: v for k, v in head.items() if v is not None}
        return jwt.encode(self.claims(**changes), key or self.key, alg or self.alg, headers=head)

    def conf(self, **source):
        return {"issuer": self.name, "audience": [AUDIENCE], "algorithms": [self.alg], **source}


class JwksServer:
    """
    A real HTTP or HTTPS server for one document. `fetches` holds the time of every
    request for it, before the answer; `behaviour` answers, and may be swapped at any time.
    """

    def __init__(self, body, context=None):
        self.body, self.context = body, context
        self.fetches, self.elsewhere = [], []
        self.behaviour = give_document
        self.released = threading.Event()
        self.port = 0
        self.start()
        self.port = self.server.server_address[1]
        self.url = f"{'https' if context else 'http'}://localhost:{self.port}/jwks"

    def start(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                (outer.fetches if self.path == "/jwks" else outer.elsewhere).append(time.monotonic())
                self.close_connection = True
                outer.behaviour(outer, self)

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads, allow_reuse_address = True, True

            def get_request(self):
                conn, peer = super().get_request()
                if outer.context:  # the handshake happens at the first read, on the connection's own thread
                    conn = outer.context.wrap_socket(conn, server_side=True, do_handshake_on_connect=False)
                return conn, peer

            def handle_error(self, *args):
                pass

        self.server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        """Nobody listens any more."""
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def give(self, handler, body, status=200, headers=None):
        handler.send_response(status)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


def give_document(server, handler):
    server.give(handler, server.body)


def give_error(server, handler):
    server.give(handler, server.body, status=500)


def give_junk(server, handler):
    server.give(handler, b"<html>Sign in</html>")


def give_no_keys(server, handler):
    server.give(handler, b'{"keys": []}')


def give_redirect(server, handler):
    server.give(handler, b"", status=302, headers={"Location": f"http://localhost:{server.port}/elsewhere"})


def give_too_much(server, handler):
    server.give(handler, server.body[:-1] + b', "padding": "' + b"x" * 1100000 + b'"}')


def give_too_much_unannounced(server, handler):
    """The same without a length, so that only counting helps."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(server.body[:-1] + b', "padding": "' + b"x" * 1100000 + b'"}')


def give_half(server, handler):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(server.body)))
    handler.end_headers()
    handler.wfile.write(server.body[: len(server.body) // 2])


def give_nothing(server, handler):
    """Silence until the test ends."""
    server.released.wait(120 * PATIENCE)


# ------- asking a gateway -------

def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def status(gw, token, method="GET"):
    return gw.request(method, "/x", bearer(token)).status


def seen(gw, token):
    """What the upstream was told: header names in lower case."""
    answer = gw.request("GET", "/x", bearer(token))
    assert answer.status == 200, (answer.status, answer.body)
    return {k.lower(): v for k, v in answer.json()["headers"]}


def until(gw, token, wanted, seconds=10):
    """On every worker: each connection may meet another one, and what that one remembers."""
    wait_until(lambda: all(status(gw, token) == wanted for _ in range(10)), seconds, f"status {wanted}")


def auth(*issuers):
    """JSON is YAML too, and quotes for itself."""
    return f"auth: {{issuers: {json.dumps(issuers)}}}\n"


def reason(gw):
    """Why the last request was refused, by the audit log."""
    lines = [line for line in gw.audit_lines() if line["event"] == "auth.refused"]
    return lines[-1]["detail"]


def key_file(folder, name, text):
    path = folder / name
    path.write_text(text)
    return str(path)
