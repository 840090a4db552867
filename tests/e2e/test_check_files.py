"""`postern -t` and `posternctl config check` read the files that a configuration names, as the start does."""
import json
import os
import pathlib
import re
import subprocess
import tempfile

import pytest
from conftest import BUILD, certificate, free_port

CHECKS = {"postern": [BUILD / "postern", "-t", "-c"], "posternctl": [BUILD / "posternctl", "config", "check"]}
JWK = {"kty": "EC", "crv": "P-256", "kid": "k", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
       "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}


class Folder:
    def __init__(self, path):
        self.path = path
        self.cert, self.key = certificate(path)

    def file(self, name, text=""):
        (self.path / name).write_text(text)
        return self.path / name

    def key_of(self, name, *kind):
        subprocess.run(["openssl", "genpkey", "-algorithm", *kind, "-out", self.path / name], check=True, capture_output=True)
        return self.path / name

    def write(self, text):
        return self.file("postern.yaml", f"server: {{state_dir: {self.path}/state}}\n" + text)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.fixture(params=CHECKS)
def check(request, folder):
    def run(conf, *more):
        path = folder.write(conf)
        return subprocess.run([*CHECKS[request.param], path, *more], capture_output=True, text=True, timeout=60)
    return run


def complaints(done):
    """(line, column, kind, text) of each."""
    return [(int(line), int(column), kind, text) for line, column, kind, text
            in re.findall(r"^[^:]*postern\.yaml:(\d+):(\d+): (error|warning): (.*)$", done.stderr, re.M)]


EC = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")


def test_every_broken_file_is_told_at_once_where_its_option_stands(check, folder):
    other, rsa = folder.key_of("other.pem", *EC), folder.key_of("rsa.pem", "rsa")
    noise, empty, jwks = folder.file("noise.pem", "noise"), folder.file("empty"), folder.file("jwks.json", json.dumps({"keys": [JWK]}))
    lines = f"""listen:
  - address: '127.0.0.1:1'
    tls:
      certificate: {folder.cert}
      key: {other}
      client_certificate: required
      client_ca: {noise}
      certificates:
        - certificate: {folder.cert}
          key: {rsa}
  - address: '127.0.0.1:2'
    tls:
      certificate: {noise}
      key: {folder.path}/gone.pem
auth:
  master_key: file:{folder.file("short", "c2hvcnQ")}
  issuers:
    - issuer: https://a.test
      algorithms: [RS256]
      audience: [ml]
      jwks_file: {jwks}
    - issuer: https://b.test
      algorithms: [ES256]
      audience: [ml]
      key_file: {other}
    - issuer: https://c.test
      algorithms: [ES256]
      audience: [ml]
      jwks_file: {empty}
    - issuer: https://d.test
      algorithms: [ES256]
      audience: [ml]
      jwks_url: https://d.test/jwks
      ca: {folder.path}
upstreams:
  up:
    servers: ['https://127.0.0.1:1']
    tls:
      ca: {empty}
      certificate: {folder.cert}
      key: {rsa}
redis:
  url: rediss://127.0.0.1:1
  ca: {folder.path}/none.pem
log: {{level: loud}}
"""
    done = check(lines)
    assert done.returncode == 1, done
    found = complaints(done)
    rows = lines.splitlines()
    for option, word in ((f"      key: {other}", "does not belong to the key"), (f"client_ca: {noise}", "authorities"),
                         (f"          key: {rsa}", "does not belong to the key"), (f"certificate: {noise}", "a chain in PEM"),
                         ("gone.pem", "No such file"), ("short", "32 bytes"), (f"jwks_file: {jwks}", "JWKS document"),
                         (f"key_file: {other}", "private key"), (f"jwks_file: {empty}", "JWKS document"), (f"ca: {folder.path}", "directory"),
                         (f"      ca: {empty}", "authorities"), ("none.pem", "No such file"), ("level: loud}", "loud")):
        number = next(n for n, row in enumerate(rows, 2) if row.endswith(option))
        assert any(line == number and word in text and kind == "error" for line, _, kind, text in found), (option, word, done.stderr)
        assert all(at > 1 for line, at, _, _ in found if line == number), (option, done.stderr)
    upstream_key = 1 + max(n for n, row in enumerate(rows, 1) if row == f"      key: {rsa}")
    assert any(line == upstream_key and "does not belong" in text for line, _, _, text in found), done.stderr
    assert "noise" not in done.stderr.replace("noise.pem", ""), "nothing of what is in the files"


def test_sound_files_are_no_complaint_and_are_what_the_start_takes(check, folder):
    public = folder.file("public.pem", subprocess.run(["openssl", "ec", "-in", folder.key, "-pubout"], check=True,
                                                      capture_output=True, text=True).stdout)
    done = check(f"""listen: [{{address: '127.0.0.1:{free_port()}', tls: {{certificate: {folder.cert}, key: {folder.key},
             client_ca: {folder.cert}, client_certificate: optional}}}}]
auth:
  issuers:
    - {{issuer: 'https://a.test', algorithms: [ES256], audience: [ml], key_file: {public}}}
    - {{issuer: 'https://b.test', algorithms: [ES256], audience: [ml], jwks_file: {folder.file("jwks.json", json.dumps({"keys": [JWK]}))}}}
""")
    assert done.returncode == 0 and not complaints(done), done


def test_a_file_that_others_may_not_read_is_an_error_for_the_daemon_and_a_warning_for_others():
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory(prefix="postern-check-", dir="/tmp") as name:
        folder = Folder(pathlib.Path(name))
        folder.path.chmod(0o755)
        folder.key.chmod(0o600 if is_root else 0)
        path = folder.write(f"listen: [{{address: '127.0.0.1:1', tls: {{certificate: {folder.cert}, key: {folder.key}}}}}]\n")
        for check, code, kind in ("postern", 1, "error"), ("posternctl", 0, "warning"):
            done = subprocess.run([*CHECKS[check], path], capture_output=True, text=True, timeout=60,
                                  user=65534 if is_root else None, cwd="/")
            assert done.returncode == code and [found[2] for found in complaints(done)] == [kind], done


def test_offline_looks_at_the_text_alone(folder):
    path = folder.write("listen: [{address: '127.0.0.1:1', tls: {certificate: /none/c.pem, key: /none/k.pem}}]\n")
    for more, code in ([], 1), (["--offline"], 0):
        done = subprocess.run([*CHECKS["posternctl"], path, *more], capture_output=True, text=True, timeout=60)
        assert done.returncode == code and len(complaints(done)) == 2 * code, done


def test_a_key_with_a_passphrase_is_an_error_and_no_question(check, folder):
    sealed = folder.path / "sealed.pem"
    subprocess.run(["openssl", "pkcs8", "-topk8", "-in", folder.key, "-out", sealed, "-passout", "pass:x"], check=True, capture_output=True)
    done = check(f"listen:\n  - address: '127.0.0.1:1'\n    tls:\n      certificate: {folder.cert}\n      key: {sealed}\n")
    [(line, _, kind, text)] = complaints(done)
    assert line == 6 and kind == "error" and "without a passphrase" in text


def test_a_pipe_is_not_waited_for(check, folder):
    os.mkfifo(folder.path / "pipe")
    done = check(f"listen: [{{address: '127.0.0.1:1', tls: {{certificate: {folder.path}/pipe, key: {folder.path}/pipe}}}}]\n")
    assert done.returncode == 0, done
