"""What posternctl does with wrong names, an absent store, missing rights, closed streams, and many users."""
import contextlib
import json
import os
import pty
import select
import subprocess
import time

import pytest
from conftest import BUILD, PATIENCE, free_port, routes, wait_until

PASSWORD = "correct horse battery staple"


@pytest.fixture
def gw(make_gateway, upstream):
    g = make_gateway(routes(upstream))
    g.user("alice", "--email", "alice@example.com")
    return g


def refused(done, code, *words):
    assert done.returncode == code, (done.args, done.returncode, done.stdout, done.stderr)
    assert done.stdout == "" and "posternctl: " in done.stderr, (done.args, done.stdout, done.stderr)
    for word in words:
        assert word in done.stderr, (word, done.stderr)


EVERY_VERB = [
    ["user", "create", "bob"], ["user", "list"], ["user", "show", "alice"], ["user", "set-role", "alice", "ops"],
    ["user", "set-password", "alice", "--password-file", "PASSWORD"], ["user", "disable", "alice", "--yes"],
    ["user", "enable", "alice"], ["user", "delete", "alice", "--yes"], ["key", "create", "alice"], ["key", "list"],
    ["key", "show", "abcd1234"], ["key", "rotate", "abcd1234"], ["key", "revoke", "abcd1234", "--yes"],
    ["token", "issue", "alice"], ["token", "revoke", "ses_x", "--yes"], ["session", "list"],
    ["session", "revoke", "ses_x", "--yes"], ["signing-key", "rotate"], ["signing-key", "list"],
    ["signing-key", "retire", "x", "--yes"],
]


def with_password_file(verb, folder):
    path = folder / "password"
    path.write_text(PASSWORD + "\n")
    return [str(path) if word == "PASSWORD" else word for word in verb]


def test_unknown_names_and_ids_are_3(gw, tmp_path):
    for verb in EVERY_VERB:
        verb = ["nobody" if word == "alice" else word for word in with_password_file(verb, tmp_path)]
        if verb[1] in ("create", "list") and verb[0] == "user" or verb[-1] in ("list", "rotate"):
            continue
        refused(gw.ctl(*verb, ok=False), 3, "there is no")
    for verb in (["key", "list", "nobody"], ["session", "list", "nobody"], ["session", "revoke", "--user", "nobody", "--yes"],
                 ["user", "show", "usr_00000000000000000000000000"], ["key", "create", "nobody", "--dry-run"],
                 ["user", "delete", "nobody", "--dry-run"], ["signing-key", "retire", "x", "--dry-run"]):
        refused(gw.ctl(*verb, ok=False), 3, "there is no")


def test_names_and_addresses_are_taken_once_whatever_their_case(gw):
    refused(gw.ctl("user", "create", "Alice", ok=False), 5, "taken")
    refused(gw.ctl("user", "create", "Alice", "--dry-run", ok=False), 5, "taken")
    refused(gw.ctl("user", "create", "bob", "--email", "ALICE@Example.com", ok=False), 5, "taken")
    assert [u["username"] for u in json.loads(gw.ctl("user", "list", "-o", "json").stdout)] == ["alice"]


def test_store_that_is_away_is_6_for_every_verb(make_gateway, upstream, tmp_path):
    conf = f"redis: {{url: 'redis://127.0.0.1:{free_port()}'}}\n" + routes(upstream)
    gw = make_gateway(conf, start=False, env={"POSTERN_AUTH__MASTER_KEY": "A" * 43})
    for verb in EVERY_VERB:
        refused(gw.ctl(*with_password_file(verb, tmp_path), ok=False), 6)
    for verb in ["stats"], ["reload"], ["explain", "GET", "/x"], ["config", "show", "--running"]:
        refused(gw.ctl(*verb, ok=False), 6, "is it running?")


def test_what_redis_does_not_permit_is_4_and_named(make_gateway, upstream, redis):
    redis.cli("acl", "setuser", "reader", "on", ">sesame", "~*", "&*", "+@read", "+@connection", "+eval", "+evalsha")
    gw = make_gateway(f"redis: {{url: '{redis.url}', username: reader}}\n" + routes(upstream), start=False,
                      env={"POSTERN_AUTH__MASTER_KEY": "A" * 43, "POSTERN_REDIS__PASSWORD": "sesame"})
    refused(gw.ctl("user", "create", "bob", ok=False), 4, "does not permit it", "doctor")
    assert gw.ctl("user", "list").stdout == ""
    gw.env["POSTERN_REDIS__PASSWORD"] = "wrong"
    refused(gw.ctl("user", "list", ok=False), 4, "WRONGPASS")
    assert "sesame" not in gw.ctl("doctor", ok=False).stdout


BAD_NAMES = ["x", "-a", "a b", "a\x1b[2Jb", "a\x7f", "\u00e4lice", "a" * 65, "a" * 100000, "usr_00000000000000000000000000", "../x", "a:b", "a\nb"]


def test_bad_user_names_are_2_and_cannot_command_the_terminal(gw):
    for name in BAD_NAMES:
        done = gw.ctl("user", "create", "--", name, ok=False)
        refused(done, 2)
        assert not any(c < " " and c != "\n" or c in "\x7f\x9b" for c in done.stderr), name
    assert gw.ctl("user", "list", "-o", "name").stdout == "alice\n"


def test_bad_values_of_options_are_2(gw):
    for args in (["--name", "a\nb"], ["--name", "\x1b]0;x\x07"], ["--name", "\x9b31m"], ["--name", "x" * 101], ["--name", b"\xff"],
                 ["--expires-in", "0s"], ["--expires-in", "soon"], ["--expires-in", "-1h"], ["--expires-in", "999999999d"],
                 ["--scope", "root"], ["--allow-ip", "10.0.0.1/8"], ["--allow-ip", "all"], ["--allow-ip", ""]):
        done = subprocess.run([BUILD / "posternctl", "-c", gw.path, "key", "create", "alice", *args], env=gw.env, capture_output=True, text=True)
        refused(done, 2)
    for email in "nobody", "a@b@c", "a b@c", "@c", "a@", "\x9b@c", "a@" + "b" * 300:
        refused(gw.ctl("user", "create", "bob", "--email", email, ok=False), 2)
    for role in "Admin", "a b", "", "x" * 33, "a,b c":
        refused(gw.ctl("user", "set-role", "alice", role, ok=False), 2)
    for args in (["token", "issue", "alice", "--ttl", "0s"], ["token", "issue", "alice", "--ttl", "99999d"], ["key", "rotate", "abcd1234", "--grace", "x"],
                 ["signing-key", "rotate", "--algorithm", "none"], ["completion", "tcsh"], ["session", "list", "alice", "--user", "alice"],
                 ["session", "revoke"], ["token", "revoke"], ["user", "list", "--nmae", "x"], ["user", "list", "--role", "x"], ["user", "list", "-Z"],
                 ["user", "show", "alice", "bob"], ["user", "list", "-o"]):
        refused(gw.ctl(*args, ok=False), 2)
    assert json.loads(gw.ctl("key", "list", "-o", "json").stdout) == []


def test_a_dry_run_checks_what_the_real_one_would_and_changes_nothing(gw):
    before = gw.ctl("user", "list", "-o", "json").stdout + gw.ctl("key", "list", "-o", "json").stdout
    refused(gw.ctl("key", "create", "alice", "--scope", "admin", "--dry-run", ok=False), 4)
    refused(gw.ctl("key", "create", "alice", "--name", "a\nb", "--dry-run", ok=False), 2)
    for verb in (["key", "create", "alice"], ["user", "create", "bob"], ["user", "delete", "alice"], ["signing-key", "rotate"], ["bootstrap"]):
        assert "would" in gw.ctl(*verb, "--dry-run").stderr
    assert gw.ctl("user", "list", "-o", "json").stdout + gw.ctl("key", "list", "-o", "json").stdout == before


def test_an_empty_value_is_an_unset_variable_and_never_widens_a_grant(gw):
    for args in (["key", "create", "alice", "--allow-ip", ""], ["key", "create", "alice", "--scope="], ["token", "issue", "alice", "--scope", ""],
                 ["user", "create", "bob", "--role", ""], ["key", "list", ""], ["session", "list", ""], ["session", "revoke", "", "--yes"],
                 ["explain", "GET", "/", "--as", ""]):
        refused(gw.ctl(*args, ok=False), 2, "empty")
    assert gw.ctl("user", "list", "-o", "name").stdout == "alice\n" and json.loads(gw.ctl("key", "list", "-o", "json").stdout) == []


def test_files_that_cannot_be_read_are_named(gw, tmp_path):
    refused(gw.ctl("user", "set-password", "alice", "--password-file", tmp_path / "none", ok=False), 3, "none")
    refused(gw.ctl("user", "set-password", "alice", "--password-file", tmp_path, ok=False), 1, str(tmp_path))
    (tmp_path / "empty").write_text("")
    refused(gw.ctl("user", "set-password", "alice", "--password-file", tmp_path / "empty", ok=False), 2)
    (tmp_path / "long").write_text("x" * 2000)
    refused(gw.ctl("user", "set-password", "alice", "--password-file", tmp_path / "long", ok=False), 2)
    for verb in ["user", "list"], ["config", "show"], ["doctor"]:
        done = subprocess.run([BUILD / "posternctl", "-c", tmp_path / "none.yaml", *verb], capture_output=True, text=True)
        assert done.returncode in (1, 3) and "none.yaml: No such file" in done.stderr, done
    if os.geteuid() != 0:
        (tmp_path / "closed.yaml").touch(mode=0)
        refused(subprocess.run([BUILD / "posternctl", "-c", tmp_path / "closed.yaml", "user", "list"], capture_output=True, text=True), 4)


def test_short_passwords_and_empty_input_are_2(gw):
    for text in "", "\n", "tooshort\n", "x" * 5000 + "\n", "fifteen chars ok\0?\n":
        refused(gw.ctl("user", "set-password", "alice", "--password-stdin", input=text, ok=False), 2)
    assert gw.ctl("user", "set-password", "alice", "--password-stdin", input="\u00e4" * 15).returncode == 0


def test_nobody_to_ask_is_2_and_names_the_flag(gw):
    refused(gw.ctl("user", "set-password", "alice", input="", ok=False), 2, "--password-stdin")
    for verb in (["user", "disable", "alice"], ["user", "delete", "alice"], ["key", "revoke", "abcd1234"], ["session", "revoke", "--user", "alice"],
                 ["token", "revoke", "ses_x"], ["signing-key", "retire", "x"]):
        refused(gw.ctl(*verb, input="y\n", ok=False), 2, "--yes")


def on_terminal(gw, typed, *args):
    """What the command writes to a terminal on which a person types; and how it ends."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(BUILD / "posternctl", [str(a) for a in ("posternctl", "-c", gw.path, *args)], gw.env)
    seen = b""
    for question, answer in typed:
        end = time.monotonic() + 20 * PATIENCE
        while question not in seen:
            assert select.select([fd], [], [], max(0, end - time.monotonic()))[0], seen
            seen += os.read(fd, 4096)
        os.write(fd, answer)
    with contextlib.suppress(OSError):
        while select.select([fd], [], [], 20 * PATIENCE)[0] and (piece := os.read(fd, 4096)):
            seen += piece
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode()


def test_a_person_is_asked_and_may_say_no(gw):
    code, text = on_terminal(gw, [(b"[y/N] ", b"n\n")], "user", "disable", "alice")
    assert code == 1 and "nothing was changed" in text
    assert json.loads(gw.ctl("user", "show", "alice", "-o", "json").stdout)["is_active"]
    assert on_terminal(gw, [(b"[y/N] ", b"y\n")], "user", "disable", "alice")[0] == 0
    assert not json.loads(gw.ctl("user", "show", "alice", "-o", "json").stdout)["is_active"]


def test_an_admins_name_must_be_typed(gw):
    gw.user("root-of-all", "--role", "admin")
    gw.user("second", "--role", "admin")
    assert on_terminal(gw, [(b"Type second", b"y\n")], "user", "delete", "second")[0] == 1
    assert on_terminal(gw, [(b"Type second", b"second\n")], "user", "delete", "second")[0] == 0
    refused(gw.ctl("user", "show", "second", ok=False), 3)


def test_a_password_is_asked_twice_and_not_echoed(gw):
    word = PASSWORD.encode() + b"\n"
    code, text = on_terminal(gw, [(b"New password: ", word), (b"Again: ", word)], "user", "set-password", "alice")
    assert code == 0 and PASSWORD not in text
    code, text = on_terminal(gw, [(b"New password: ", word), (b"Again: ", b"x" + word)], "user", "set-password", "alice")
    assert code == 2 and "the two differ" in text


def test_no_secret_is_on_a_command_line(gw):
    """Every option that takes a secret takes a file or standard input."""
    text = subprocess.run([BUILD / "posternctl", "__complete", "user", "create", "--p"], capture_output=True, text=True).stdout.split()
    assert text == ["--password-stdin", "--password-file"]


def test_streams_that_are_closed_are_not_taken_for_sockets(gw):
    """What would be printed must not reach Redis on a socket that got number 1."""
    done = subprocess.run(["bash", "-c", f"'{BUILD}/posternctl' -c '{gw.path}' user list -o json >&-"], capture_output=True, text=True, env=gw.env)
    assert done.returncode == 1 and "could not be written" in done.stderr
    done = subprocess.run(["bash", "-c", f"'{BUILD}/posternctl' -c '{gw.path}' user create bob <&- >&- 2>&-"], env=gw.env)
    assert done.returncode == 1
    assert gw.ctl("user", "list", "-o", "name").stdout.splitlines() == ["alice", "bob"]


def test_ten_thousand_users_are_listed_in_a_stable_order_without_keeping_redis_busy(make_gateway, upstream, redis):
    gw = make_gateway(f"redis: {{url: '{redis.url}'}}\n" + routes(upstream), start=False, env={"POSTERN_AUTH__MASTER_KEY": "A" * 43})
    count = 10000
    lines = []
    for i in range(count):
        uid = f"usr_{i:026d}"
        lines.append(f"HSET postern:user:{uid} id {uid} username user-{i:05d} email '' roles user is_active 1 must_change 0 token_ver 1 "
                     f"created_at {1700000000 + i // 1000} updated_at 1700000000\r\nZADD postern:users {1700000000 + i // 1000} {uid}\r\n")
    done = subprocess.run(["redis-cli", "-p", str(redis.port), "--pipe"], input="".join(lines), capture_output=True, text=True, timeout=60)
    assert "errors: 0" in done.stdout, done
    redis.cli("config", "resetstat")
    began = time.monotonic()
    first = gw.ctl("user", "list", "-o", "name").stdout.splitlines()
    assert time.monotonic() - began < 20 * PATIENCE
    assert first == [f"user-{i:05d}" for i in range(count)]
    stats = redis.cli("info", "commandstats")
    assert "cmdstat_keys:" not in stats and "cmdstat_zrange:calls=21," in stats, stats
    assert redis.cli("slowlog", "len") == "0"
    assert gw.ctl("user", "list", "-o", "name").stdout.splitlines() == first


def test_who_is_deleted_while_users_are_listed_hides_nobody_else(make_gateway, upstream, redis, tmp_path):
    gw = make_gateway(f"redis: {{url: '{redis.url}'}}\n" + routes(upstream), start=False, env={"POSTERN_AUTH__MASTER_KEY": "A" * 43})
    lines = []
    for i in range(1500):
        uid = f"usr_{i:026d}"
        lines.append(f"HSET postern:user:{uid} id {uid} username user-{i:05d} email '' roles user is_active 1 must_change 0 token_ver 1 created_at 1 updated_at 1\r\n"
                     f"ZADD postern:users {i} {uid}\r\n")
    subprocess.run(["redis-cli", "-p", str(redis.port), "--pipe"], input="".join(lines), capture_output=True, text=True, timeout=60, check=True)
    # After the first page, its first user goes: the ranks of all others move up by one.
    with open(tmp_path / "out", "w") as out:
        child = subprocess.Popen([BUILD / "posternctl", "-c", gw.path, "user", "list", "-o", "name"], stdout=out, env=gw.env)
        wait_until(lambda: "cmdstat_zrange" in redis.cli("info", "commandstats"), what="the first page")
        redis.cli("zrem", "postern:users", "usr_" + "0" * 26)
        assert child.wait(60 * PATIENCE) == 0
    names = (tmp_path / "out").read_text().splitlines()
    assert names[-1499:] == [f"user-{i:05d}" for i in range(1, 1500)]
