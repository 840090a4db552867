"""posternctl config: what the gateway runs with, every mistake at once, and what a change opens."""
import os
import re
import subprocess

import pytest
import yaml
from conftest import BUILD, TOP, routes


@pytest.fixture
def gw(make_gateway, upstream):
    return make_gateway("limits:\n  default: {key: user, rate: [60/min]}\n" + routes(upstream), env={"POSTERN_SERVER__HEAD_TIMEOUT": "7s"})


def test_the_effective_configuration_is_what_the_gateway_runs_with(gw):
    shown = gw.ctl("config", "show", "--effective").stdout
    assert shown == gw.ctl("config", "show", "--running").stdout == gw.ctl("config", "show").stdout
    text = yaml.safe_load(shown)
    assert text["server"]["head_timeout"] == "7s" and text["server"]["keepalive_timeout"] == "75s"
    assert text["redis"]["prefix"] == "postern:" and text["routes"][0]["auth"] == "required" and text["log"]["level"] == "info"


def test_every_option_of_the_table_is_in_the_effective_configuration(gw):
    shown = gw.ctl("config", "show", "--effective").stdout
    rows = re.findall(r'^OPTION\((?:server|route|upstream|cors|headers|log), +(\w+), +(?:BOOL|COUNT|DURATION|BYTES|ENUM\(\w+\)|TEXTS|ADDRS), ',
                      (TOP / "lib/conf/option.def").read_text(), re.M)
    assert len(rows) > 40
    for name in rows:
        leaf = name.split("_", 1)[1] if name.startswith("health_") else name
        assert re.search(rf"\b{leaf}:", shown), name


def test_a_file_that_was_not_reloaded_is_not_what_runs(gw, upstream):
    gw.write("limits:\n  default: {key: user, rate: [61/min]}\n" + routes(upstream))
    assert "61/min" in gw.ctl("config", "show").stdout and "61/min" not in gw.ctl("config", "show", "--running").stdout
    gw.ctl("reload")
    assert "61/min" in gw.ctl("config", "show", "--running").stdout


def test_origins_are_file_and_line_environment_and_default(gw):
    shown = gw.ctl("config", "show", "--origin").stdout
    line = next(n for n, text in enumerate(gw.path.read_text().splitlines(), 1) if "60/min" in text)
    assert re.search(rf"rate: .*# {gw.path}:{line}$", shown, re.M)
    assert re.search(r"head_timeout: .*POSTERN_SERVER__HEAD_TIMEOUT", shown) and re.search(r"keepalive_timeout: 75s +# default", shown)


def test_the_effective_configuration_is_read_again_as_the_same(gw, tmp_path):
    (tmp_path / "again.yaml").write_text(gw.ctl("config", "show", "--effective").stdout)
    done = gw.ctl("config", "diff", tmp_path / "again.yaml", ok=False)
    assert (done.returncode, done.stdout) == (0, ""), done


def test_secrets_are_masked_wherever_they_come_from(make_gateway, upstream, tmp_path):
    (tmp_path / "password").write_text("from-a-file-55\n")
    for conf, env in (("redis: {password: inline-secret-77}\n", {}), (f"redis: {{password: 'file:{tmp_path}/password'}}\n", {}),
                      ("", {"POSTERN_REDIS__PASSWORD": "from-env-66"}), ("", {"POSTERN_REDIS__PASSWORD_FILE": str(tmp_path / "password")})):
        gw = make_gateway(conf + routes(upstream), start=False, env=env)
        for verb in ["config", "show"], ["config", "show", "--origin"], ["config", "diff", gw.path], ["config", "check"]:
            done = gw.ctl(*verb, ok=False)
            assert not re.search("inline-secret-77|from-env-66|from-a-file-55", done.stdout + done.stderr), verb
        assert '"********"' in gw.ctl("config", "show").stdout


MISTAKES = """server: {wrokers: 2, head_max: 5m, state_dir: 7}
listen:
  - address: nonsense
  - {address: '127.0.0.1:1', tls: {certificate: a}}
auth: {mode: enforcd, jwt: {access_ttl: 30}}
limits: {a: {rate: 60/fortnight}}
upstreams: {up: {servers: ['ftp://x']}}
routes:
  - {path: /x, upstream: upp}
  - {path: x, upstream: up}
  - {path: /y, upstream: up, limit: b, auth: maybe}
"""


def test_every_mistake_is_told_at_once_with_its_line_and_what_was_meant(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(MISTAKES)
    done = subprocess.run([BUILD / "posternctl", "config", "check", path], capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    lines = re.findall(rf"^{path}:(\d+):(\d+): error: (.*)$", done.stderr, re.M)
    for number, word in ((1, "workers"), (1, "5MiB"), (3, "nonsense"), (4, "key"), (5, "enforced"), (5, "30s"), (6, "fortnight"), (7, "ftp"),
                         (9, "did you mean up?"), (11, "maybe"), (11, "'b'")):
        assert any(int(line) == number and word in text for line, _, text in lines), (number, word, done.stderr)
    assert all(int(column) > 0 for _, column, _ in lines)


def test_check_looks_at_files_and_names_unless_it_is_offline(gw):
    assert gw.ctl("config", "check").stderr.endswith(": ok\n")
    line = next(n for n, text in enumerate(gw.path.read_text().splitlines(), 1) if "certificate:" in text)
    other = gw.folder / "other.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", other], check=True, capture_output=True)
    gw.path.write_text(gw.path.read_text().replace(str(gw.key), str(other)))
    done = gw.ctl("config", "check", ok=False)
    assert done.returncode == 1 and f"{gw.path}:{line}:" in done.stderr and "does not belong to the key" in done.stderr, done
    other.unlink()
    done = gw.ctl("config", "check", ok=False)
    assert done.returncode == 1 and f"{other}: No such file" in done.stderr
    assert gw.ctl("config", "check", "--offline").stderr.endswith(": ok\n")


def test_a_name_that_does_not_resolve_is_a_warning_with_its_line(tmp_path):
    path = tmp_path / "names.yaml"
    path.write_text("upstreams:\n  up: {servers: ['http://no-such-host.invalid:80']}\nlisten: [{address: '127.0.0.1:1'}]\n")
    for args, seen in (([], True), (["--offline"], False)):
        done = subprocess.run([BUILD / "posternctl", "config", "check", path, *args], capture_output=True, text=True)
        assert done.returncode == 0 and (re.search(rf"^{path}:2:\d+: warning: no-such-host.invalid: ", done.stderr, re.M) is not None) == seen, done


def test_diff_says_what_opens_what_restarts_and_by_its_exit_code_whether(gw, upstream, tmp_path):
    new = tmp_path / "new.yaml"
    new.write_text(gw.path.read_text())
    assert gw.ctl("config", "diff", new, ok=False).returncode == 0
    new.write_text(gw.base.replace("workers: 2", "workers: 3") + routes(upstream, "{path: '/**', auth: public, upstream: up}"))
    done = gw.ctl("config", "diff", new, ok=False)
    assert done.returncode == 1
    assert "auth: required -> public  MORE OPEN" in done.stdout and "- limits.default  MORE OPEN" in done.stdout
    assert "workers: 2 -> 3  RESTART" in done.stdout
    new.write_text("routes: [{path: /x, upstream: nowhere}]\n")
    done = gw.ctl("config", "diff", new, ok=False)
    assert done.returncode == 2 and f"{new}:1:" in done.stderr
    assert gw.ctl("config", "diff", tmp_path / "none.yaml", ok=False).returncode == 2


def test_the_sample_and_the_schema_in_the_tree_are_those_of_the_table():
    for word, name in ("sample", "postern.sample.yaml"), ("schema", "postern.schema.json"):
        assert subprocess.run([BUILD / "posternctl", "config", word], capture_output=True, text=True).stdout == (TOP / "conf" / name).read_text()


def test_explain_is_the_manuals_text_and_knows_what_was_meant():
    def explain(name):
        return subprocess.run([BUILD / "posternctl", "config", "explain", name], capture_output=True, text=True)

    assert "15s" in explain("server.head_timeout").stdout and "LIVE" not in explain("server.head_timeout").stdout
    done = explain("server.haed_timeout")
    assert done.returncode == 3 and "did you mean 'server.head_timeout'" in done.stderr


def test_show_is_yaml_and_says_so(gw):
    assert gw.ctl("config", "show", "-o", "json", ok=False).returncode == 2
    assert gw.ctl("config", "show", "-o", "yaml").stdout == gw.ctl("config", "show").stdout


def test_posternctl_without_any_file_has_the_defaults():
    env = {k: v for k, v in os.environ.items() if not k.startswith("POSTERN")}
    if not os.path.exists("/etc/postern/postern.yaml"):
        assert "keepalive_timeout: 75s" in subprocess.run([BUILD / "posternctl", "config", "show"], capture_output=True, text=True, env=env).stdout
