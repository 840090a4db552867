"""What posternctl prints: formats, tables, --watch, and outputs that cannot be written."""
import json
import os
import re
import subprocess
import time

import pytest
import yaml
from conftest import BUILD, PATIENCE, routes, wait_until



@pytest.fixture
def gw(make_gateway, upstream):
    g = make_gateway(routes(upstream))
    g.user("alice", "--email", "alice@example.com", "--role", "user", "--role", "ops")
    return g


def lists(gw):
    gw.api_key("alice", "--name", "yes: #1", "--allow-ip", "10.0.0.0/8")
    gw.token("alice")
    return ["user", "list"], ["key", "list"], ["session", "list"], ["signing-key", "list"]


def test_json_yaml_and_jsonl_say_the_same(gw):
    for verb in lists(gw):
        as_json = json.loads(gw.ctl(*verb, "-o", "json").stdout)
        assert as_json and yaml.safe_load(gw.ctl(*verb, "-o", "yaml").stdout) == as_json, verb
        assert [json.loads(line) for line in gw.ctl(*verb, "-o", "jsonl").stdout.splitlines()] == as_json, verb
    for verb in (["user", "show", "alice"], ["stats"], ["version"], ["explain", "GET", "/x"], ["doctor"], ["reload"]):
        assert json.loads(gw.ctl(*verb, "-o", "json").stdout) and yaml.safe_load(gw.ctl(*verb, "-o", "yaml").stdout), verb
        assert all(json.loads(line) for line in gw.ctl(*verb, "-o", "jsonl").stdout.splitlines()), verb


def test_texts_that_yaml_would_read_as_something_else_stay_texts(gw):
    for name in "yes", "1e3", "012", "12:30", "~", "- a", "a: b", "#x", "a\u00e9\U0001f600", '"', "'", "\\n", "${HOME}":
        made = json.loads(gw.ctl("key", "create", "alice", "--name", name, "-o", "json").stdout)
        assert made["name"] == name
        assert yaml.safe_load(gw.ctl("key", "show", made["id"], "-o", "yaml").stdout)["name"] == name


def test_wide_has_every_member_that_table_leaves_out(gw):
    lists(gw)
    narrow = gw.ctl("user", "list", "-o", "table").stdout.splitlines()
    wide = gw.ctl("user", "list", "-o", "wide").stdout.splitlines()
    assert "LAST LOGIN" in wide[0] and "LAST LOGIN" not in narrow[0] and wide[0].startswith(narrow[0].split()[0])
    assert "10.0.0.0/8" in gw.ctl("key", "list", "-o", "wide").stdout
    assert "10.0.0.0/8" not in gw.ctl("key", "list", "-o", "table").stdout


def test_piped_lists_are_tab_separated_without_heading(gw):
    (line,) = gw.ctl("user", "list").stdout.splitlines()
    assert line.split("\t")[1:4] == ["alice", "alice@example.com", "user,ops"]


def test_quiet_prints_ids_and_name_prints_names(gw):
    assert re.fullmatch(r"usr_\w+\n", gw.ctl("user", "list", "-q").stdout)
    assert gw.ctl("user", "list", "-o", "name").stdout == "alice\n"


def test_unknown_format_is_a_usage_error_and_token_needs_a_secret(gw):
    for args in ["user", "list", "-o", "xml"], ["user", "list", "-o", "token"]:
        done = gw.ctl(*args, ok=False)
        assert done.returncode == 2 and "jsonl" in done.stderr


def test_formats_are_checked_before_anything_is_changed(gw):
    assert gw.ctl("user", "create", "bob", "-o", "xml", ok=False).returncode == 2
    assert gw.ctl("user", "show", "bob", ok=False).returncode == 3


def test_colour_is_only_where_it_is_wanted(gw):
    assert "\x1b" not in gw.ctl("doctor").stdout
    assert "\x1b[32m" in gw.ctl("doctor", "--color", "always").stdout
    assert gw.ctl("doctor", "--color", "sometimes", ok=False).returncode == 2


def test_stats_count_the_requests(gw):
    key, _ = gw.api_key("alice")
    for _ in range(3):
        assert gw.request("GET", "/x", {"X-API-Key": key}).status == 200
    assert gw.request("GET", "/x").status == 401

    def seen():
        stats = json.loads(gw.ctl("stats", "-o", "json").stdout)
        return stats["counters"]["postern_requests_total"] == 4 and stats["requests"]["2xx"] == 3 and stats["requests"]["4xx"] == 1

    wait_until(seen, 5, "the counts")
    assert "postern_requests_total\t4\n" in gw.ctl("stats").stdout and "up\t" in gw.ctl("stats").stdout


class Watch:
    """A posternctl that goes on until it is stopped; lines() is what it printed."""

    def __init__(self, gw, tmp_path, *args):
        self.path = tmp_path / "watched"
        self.out = open(self.path, "w")
        self.child = subprocess.Popen([BUILD / "posternctl", "-c", gw.path, *args], stdout=self.out, stderr=self.out, env=gw.env)

    def lines(self):
        return self.path.read_text().splitlines()

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.child.terminate()
        self.child.wait(10 * PATIENCE)
        self.out.close()


def test_watching_stats_shows_a_request_in_the_second_it_came(gw, tmp_path):
    with Watch(gw, tmp_path, "stats", "--watch") as w:
        wait_until(lambda: len(w.lines()) >= 2, what="the first line")
        assert w.lines()[0].split("\t")[0] == "REQUESTS"
        gw.request("GET", "/x")
        wait_until(lambda: any(line.startswith("1\t0\t1\t") for line in w.lines()[1:]), what="the 401 in a line")


def test_watching_a_list_shows_what_is_new_changed_and_gone(gw, tmp_path):
    with Watch(gw, tmp_path, "user", "list", "--watch", "-o", "json") as w:
        wait_until(lambda: len(w.lines()) == 1, what="the list")
        bob = gw.user("bob")
        wait_until(lambda: [json.loads(l)["username"] for l in w.lines()] == ["alice", "bob"], what="bob")
        gw.ctl("user", "disable", "bob", "--yes")
        wait_until(lambda: len(w.lines()) == 3, what="bob's change")
        assert json.loads(w.lines()[2])["is_active"] is False
        gw.ctl("user", "delete", "bob", "--yes")
        wait_until(lambda: len(w.lines()) == 4, what="bob's end")
        assert json.loads(w.lines()[3]) == {"id": bob["id"], "deleted": True}


def test_watching_ends_when_its_reader_leaves(gw):
    began = time.monotonic()
    done = subprocess.run(["bash", "-c", f"'{BUILD}/posternctl' -c '{gw.path}' user list --watch | head -n 1; echo ${{PIPESTATUS[0]}}"],
                          capture_output=True, text=True, env=gw.env, timeout=30 * PATIENCE)
    assert "alice" in done.stdout and time.monotonic() - began < 20 * PATIENCE


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_output_that_cannot_be_written_is_a_failure(gw):
    for args in ["user", "list"], ["user", "list", "-o", "yaml"], ["--help"], ["config", "schema"], ["key", "create", "alice", "-o", "token"]:
        with open("/dev/full", "w") as full:
            done = subprocess.run([BUILD / "posternctl", "-c", gw.path, *args], stdout=full, stderr=subprocess.PIPE, text=True, env=gw.env)
        assert done.returncode == 1 and "could not be written" in done.stderr, args


def test_closed_pipe_is_a_failure_without_a_crash(gw):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([BUILD / "posternctl", "-c", gw.path, "user", "list"], stdout=write, stderr=subprocess.PIPE, text=True, env=gw.env)
    os.close(write)
    assert done.returncode == 1 and "could not be written" in done.stderr
