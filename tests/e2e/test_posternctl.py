"""posternctl as people use it: every example of every verb, exit codes, secrets."""
import json
import os
import re
import subprocess

import pytest
from conftest import BUILD, PATIENCE, free_port, routes


@pytest.fixture
def gw(make_gateway, upstream):
    g = make_gateway(routes(upstream, "{path: /predict, methods: [POST], upstream: up}", "{path: '/**', upstream: up}"))
    g.user("alice")
    return g


def verbs():
    text = subprocess.run([BUILD / "posternctl", "--help"], capture_output=True, text=True, check=True).stdout
    rows = re.findall(r"^  (?!posternctl )([a-z][a-z-]*(?: [a-z-]+)?) ", text, re.M)
    return [row.split() for row in rows]


def examples(verb):
    done = subprocess.run([BUILD / "posternctl", *verb, "--help"], capture_output=True, text=True, check=True)
    return done.stdout.split("examples:\n")[1].split("\n\n")[0].strip().splitlines()


def test_help_lists_every_noun_on_one_screen():
    text = subprocess.run([BUILD / "posternctl", "--help"], capture_output=True, text=True, check=True).stdout
    for noun in "user", "key", "token", "session", "signing-key", "config", "bootstrap", "explain", "doctor", "stats":
        assert f"  {noun}" in text
    assert len(text.splitlines()) < 70


def test_every_verb_has_two_examples_that_work(gw, tmp_path):
    """In the order of the table, so that what one makes the next may use."""
    folder = tmp_path / "desk"
    folder.mkdir()
    (folder / "password.txt").write_text("correct horse battery staple\n")
    (folder / "postern.yaml").write_text(gw.path.read_text())
    env = dict(os.environ, PATH=f"{BUILD}:{os.environ['PATH']}", POSTERN_CONFIG=str(gw.path))
    ids = {}
    seen = 0
    for verb in verbs():
        for line in examples(verb):
            for name in "bob", "carol", "dave", "ci", "batch":
                if f" {name}" in line and verb[-1] not in ("create",) and name not in ids:
                    ids[name] = True
                    gw.ctl("user", "create", name, ok=False)
                if f" {name}" in line and verb[0] in ("key", "token") and name not in ids:
                    ids[name] = True
                    gw.ctl("user", "create", name, ok=False)
            line = fill_in(gw, verb, line.strip())
            done = subprocess.run(["bash", "-ec", line], cwd=folder, env=env, capture_output=True, text=True,
                                  timeout=60 * PATIENCE, input="")
            assert done.returncode == 0, (line, done.returncode, done.stdout[-500:], done.stderr[-500:])
            seen += 1
    assert seen == 2 * len(verbs()) > 50


def fill_in(gw, verb, line):
    """Ids in the examples are made up; real ones take their place. Destructive ones are told yes."""
    if verb[0] == "key" and verb[-1] in ("show", "rotate", "revoke"):
        line = re.sub(r"(?<=%s )[A-Za-z0-9]{8}\b" % verb[1], gw.api_key("alice")[1]["id"], line)
    if "ses_" in line:
        session = json.loads(gw.ctl("token", "issue", "alice", "-o", "json").stdout)["session_id"]
        line = re.sub(r"ses_[a-z0-9]+", session, line)
    if "--token-stdin" in line:
        token = gw.token("alice")
        line = re.sub(r"< ?\S+", f"<<< {token}", line) if "<" in line else f"{line} <<< {token}"
    if verb == ["signing-key", "retire"]:
        gw.ctl("signing-key", "rotate")
    if verb[-1] in ("disable", "delete", "revoke", "retire") and "--yes" not in line and " -y" not in line:
        line = line.replace("posternctl ", "posternctl --yes ", 1)
    return line


def test_exit_codes(gw):
    for code, args in [
        (2, ["user", "crate", "x"]), (2, ["user", "create"]), (2, ["user", "create", "bad name"]),
        (3, ["user", "show", "nobody"]), (3, ["key", "show", "AAAAAAAA"]), (5, ["user", "create", "ALICE"]),
        (2, ["user", "delete", "alice"]), (4, ["key", "create", "alice", "--scope", "admin"]),
        (2, ["key", "create", "alice", "--allow-ip", "10.0.0.0/99"]),
    ]:
        done = gw.ctl(*args, ok=False)
        assert done.returncode == code, (args, done.returncode, done.stderr)
        assert done.stdout == "" and done.stderr.startswith("posternctl: "), (args, done.stderr)


def test_store_that_is_away_is_6(make_gateway, upstream):
    conf = f"redis: {{url: 'redis://127.0.0.1:{free_port()}'}}\n" + routes(upstream)
    gw = make_gateway(conf, start=False, env={"POSTERN_AUTH__MASTER_KEY": "A" * 43})
    assert gw.ctl("user", "list", ok=False).returncode == 6


def test_typos_are_met_with_a_suggestion(gw):
    assert "did you mean 'user'" in gw.ctl("usr", "list", ok=False).stderr
    assert "did you mean 'create'" in gw.ctl("user", "crate", "x", ok=False).stderr


def test_deleting_without_a_terminal_names_the_flag(gw):
    done = gw.ctl("user", "delete", "alice", ok=False)
    assert done.returncode == 2 and "--yes" in done.stderr
    assert gw.ctl("user", "show", "alice", ok=False).returncode == 0


def test_the_key_alone_on_stdout(gw):
    done = gw.ctl("key", "create", "alice", "-o", "token")
    assert re.fullmatch(r"sk_[A-Za-z0-9]{8}_[A-Za-z0-9_-]{43}[A-Za-z0-9]{6}\n", done.stdout)
    assert gw.request("GET", "/x", {"X-API-Key": done.stdout.strip()}).status == 200


def test_explain_is_what_happens(gw):
    key, _ = gw.api_key("alice")
    for method, path in [("GET", "/predict"), ("POST", "/predict"), ("POST", "/a/../predict"), ("GET", "/x//y")]:
        said = json.loads(gw.ctl("explain", method, path, "--as", "alice", "-o", "json").stdout)
        assert said["status"] == gw.request(method, path, {"X-API-Key": key}).status
    assert json.loads(gw.ctl("explain", "POST", "/predict", "-o", "json").stdout)["status"] == 401
    assert json.loads(gw.ctl("explain", "GET", "/../x", "-o", "json").stdout)["status"] == 400


def test_doctor_finds_what_is_broken(gw):
    assert gw.ctl("doctor", ok=False).returncode == 0, gw.ctl("doctor", ok=False).stdout
    os.chmod(gw.state / "master.key", 0o640)
    done = gw.ctl("doctor", ok=False)
    os.chmod(gw.state / "master.key", 0o600)
    assert done.returncode == 1 and "chmod go=" in done.stdout


def test_last_admin_stays(gw):
    gw.ctl("user", "set-role", "alice", "admin")
    for args in ["user", "delete", "alice", "--yes"], ["user", "disable", "alice", "--yes"], ["user", "set-role", "alice", "user"]:
        assert gw.ctl(*args, ok=False).returncode == 5


def test_completion_offers_verbs(gw):
    script = gw.ctl("completion", "bash").stdout
    ask = f"{script}\nCOMP_WORDS=(posternctl user sh); COMP_CWORD=2; _posternctl; echo \"${{COMPREPLY[@]}}\""
    env = dict(os.environ, PATH=f"{BUILD}:{os.environ['PATH']}", POSTERN_CONFIG=str(gw.path))
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, env=env)
    assert done.stdout.strip() == "show", done.stderr


def test_completion_offers_live_names(gw):
    assert gw.ctl("user", "list", "-o", "name").stdout == "alice\n"
    done = subprocess.run([BUILD / "posternctl", "__complete", "-c", gw.path, "user", "show", "al"],
                          capture_output=True, text=True)
    assert done.stdout == "alice\n"


def test_bootstrap_makes_no_admin_whose_secrets_nobody_sees(gw, tmp_path):
    (tmp_path / "taken").write_text("")
    assert gw.ctl("bootstrap", "--secret-file", tmp_path / "taken", ok=False).returncode == 5
    assert gw.ctl("user", "show", "admin", ok=False).returncode == 3
    gw.ctl("bootstrap", "--secret-file", tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600 and "sk_" in (tmp_path / "new").read_text()
