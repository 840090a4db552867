"""posternctl doctor finds what was broken, by name, and says the command that mends it."""
import json
import os
import re
import shlex
import shutil
import subprocess

import pytest
from conftest import TOP, routes, wait_until


@pytest.fixture
def gw(make_gateway, upstream):
    return make_gateway(routes(upstream))


def findings(gw):
    done = gw.ctl("doctor", "-o", "json", ok=False)
    found = json.loads(done.stdout)
    bad = {f["check"]: f["fix"] for f in found if not f["ok"]}
    assert done.returncode == (1 if bad else 0), done
    return bad


def test_a_sound_gateway_has_no_finding(gw):
    assert findings(gw) == {}
    text = gw.ctl("doctor").stdout
    assert text.count("\u2713") == len(text.splitlines()) > 10


@pytest.mark.parametrize("path,mode", [("state/master.key", 0o640), ("localhost-key.pem", 0o644), ("state", 0o755), ("postern.yaml", 0o666)])
def test_open_file_modes_are_found_and_the_fix_mends_them(gw, path, mode):
    where = gw.folder / path
    os.chmod(where, mode)
    bad = findings(gw)
    fix = next(fix for check, fix in bad.items() if check.startswith(f"{where} is"))
    assert fix.startswith("chmod ")
    subprocess.run(shlex.split(fix), check=True)
    assert findings(gw) == {}


def new_certificate(gw, days, name="localhost"):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", gw.key, "-out", gw.cert,
                    "-days", str(days), "-subj", f"/CN={name}"], check=True, capture_output=True)


def test_certificates_that_expire_soon_or_do_not_fit_their_key_are_found(gw):
    old_key = gw.key.read_bytes()
    new_certificate(gw, 5)
    (check, fix), = findings(gw).items()
    assert "valid for 14 days" in check and str(gw.cert) in check and "posternctl reload" in fix
    new_certificate(gw, 30)
    assert findings(gw) == {}
    gw.key.write_bytes(old_key)
    (check, fix), = findings(gw).items()
    assert "fits its key" in check
    gw.cert.unlink()
    assert "fits its key" in next(iter(findings(gw)))


def test_a_gateway_that_is_down_takes_its_private_redis_along(gw):
    gw.stop()
    bad = findings(gw)
    assert bad["the gateway answers on its control socket"] == "systemctl start postern"
    assert bad["Redis and the master key can be used"].startswith("systemctl start postern")


def test_too_few_descriptors_are_found(gw):
    if not shutil.which("prlimit"):
        pytest.skip("prlimit is not installed")
    subprocess.run(["prlimit", "--pid", str(gw.process.pid), "--nofile=900:900"], check=True)
    (check, fix), = findings(gw).items()
    assert "descriptors" in check and "LimitNOFILE" in fix


def test_an_invalid_configuration_is_the_first_finding(gw):
    gw.write("routes:\n  - {path: /x, upstream: nowhere}\n")
    bad = findings(gw)
    assert bad == {"the configuration is valid": "posternctl config check"}


class Own:
    """A gateway on a Redis with an account of its own."""

    def __init__(self, make_gateway, upstream, redis, rules):
        self.redis = redis
        redis.cli("acl", "setuser", "postern", "reset", *rules)
        redis.cli("acl", "setuser", "postern", "on", ">sesame")
        self.gw = make_gateway(f"redis: {{url: '{redis.url}', username: postern}}\n" + routes(upstream), start=False,
                               env={"POSTERN_REDIS__PASSWORD": "sesame"})

    def start(self):
        return self.gw.start()


def documented_rules():
    line = re.search(r"^ACL SETUSER postern on >PASSWORD (.*)$", (TOP / "docs/redis.md").read_text(), re.M)[1]
    return line.split()


def test_the_documented_redis_account_is_enough(make_gateway, upstream, redis):
    gw = Own(make_gateway, upstream, redis, documented_rules()).start()
    assert findings(gw) == {}
    gw.user("alice")


def test_what_the_redis_account_lacks_is_found_and_the_fix_mends_it(make_gateway, upstream, redis):
    own = Own(make_gateway, upstream, redis, documented_rules())
    gw = own.start()
    for rule, check in (("-eval", "may do what postern needs"), ("-client|tracking", "client tracking"), ("-@write", "may do what postern needs"),
                        ("resetchannels", "client tracking")):
        redis.cli("acl", "setuser", "postern", rule)
        fix = next(fix for found, fix in findings(gw).items() if check in found)
        words = shlex.split(fix, comments=True)
        assert words[0] == "redis-cli" and "sesame" not in fix
        redis.cli(*words[1:])
        wait_until(lambda: findings(gw) == {}, what=f"health after {fix}")


@pytest.mark.parametrize("taken", ["-eval", "-client|tracking"])
def test_the_proposed_redis_account_is_the_documented_one_and_no_wider(make_gateway, upstream, redis, taken):
    own = Own(make_gateway, upstream, redis, documented_rules())
    gw = own.start()
    documented = redis.cli("acl", "getuser", "postern")
    redis.cli("acl", "setuser", "postern", "allkeys", "allchannels", "+@all", taken)
    (fix,) = findings(gw).values()
    words = shlex.split(fix, comments=True)
    assert words == ["redis-cli", "acl", "setuser", "postern", "on", *documented_rules()]
    redis.cli(*words[1:])
    assert redis.cli("acl", "getuser", "postern") == documented


def test_a_wrong_password_and_an_evicting_redis_are_found(make_gateway, upstream, redis):
    gw = make_gateway(f"redis: {{url: '{redis.url}'}}\n" + routes(upstream))
    redis.cli("config", "set", "maxmemory-policy", "allkeys-lru")
    (check, fix), = findings(gw).items()
    assert "evicts" in check and "noeviction" in fix
    redis.cli("config", "set", "maxmemory-policy", "noeviction")
    gw.env["POSTERN_REDIS__PASSWORD"] = "wrong"
    assert "redis.password" in findings(gw)["Redis and the master key can be used"]
