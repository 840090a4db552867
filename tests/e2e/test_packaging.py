"""What `cmake --install` puts on a machine, and whether the machine can use it."""
import os
import re
import shutil
import subprocess

import pytest
from conftest import BUILD, TOP

UNIT = TOP / "packaging/systemd/postern.service"
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    root = tmp_path_factory.mktemp("stage")
    done = subprocess.run(["cmake", "--install", BUILD, "--prefix", "/usr"], env=dict(os.environ, DESTDIR=str(root)),
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return root


def test_install_has_programs_pages_completions_unit_and_sample(stage):
    files = {str(p.relative_to(stage)) for p in stage.rglob("*") if p.is_file()}
    for name in ("usr/bin/postern", "usr/bin/posternctl", "usr/share/man/man8/postern.8", "usr/share/man/man1/posternctl.1",
                 "usr/share/man/man5/postern.yaml.5", "usr/share/bash-completion/completions/posternctl",
                 "usr/share/zsh/vendor-completions/_posternctl", "usr/share/fish/vendor_completions.d/posternctl.fish",
                 "usr/lib/systemd/system/postern.service", "usr/lib/sysusers.d/postern.conf",
                 "usr/share/doc/postern/examples/postern.sample.yaml", "usr/share/postern/postern.schema.json"):
        assert name in files, sorted(files)
    nouns = re.findall(r'^NOUN\("([a-z-]+)"', (TOP / "tools/posternctl/noun.def").read_text(), re.M)
    assert {f"usr/share/man/man1/posternctl-{noun}.1" for noun in nouns} <= files


def test_installed_texts_are_what_the_programs_print(stage):
    ctl = stage / "usr/bin/posternctl"
    for args, path in ((["completion", "bash"], "usr/share/bash-completion/completions/posternctl"),
                       (["config", "sample"], "usr/share/doc/postern/examples/postern.sample.yaml"),
                       (["config", "schema"], "usr/share/postern/postern.schema.json")):
        assert subprocess.run([ctl, *args], capture_output=True, text=True).stdout == (stage / path).read_text()
    sample = (stage / "usr/share/doc/postern/examples/postern.sample.yaml").read_text()
    assert "/usr/share/postern/postern.schema.json" in sample.splitlines()[0]


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed")
def test_manual_pages_are_formatted_without_a_warning(stage):
    pages = list((stage / "usr/share/man").rglob("*.[0-9]"))
    assert len(pages) > 8
    for page in pages:
        done = subprocess.run(["man", "--warnings", "-l", page], capture_output=True, text=True,
                              env=dict(os.environ, LC_ALL="C.UTF-8", MANWIDTH="100", MANROFFSEQ=""))
        assert done.returncode == 0 and done.stderr == "", (page.name, done.stderr)
        for heading in "NAME", "DESCRIPTION":
            assert heading in done.stdout, page.name


def test_manual_of_posternctl_names_every_verb_and_exit_code(stage):
    page = (stage / "usr/share/man/man1/posternctl.1").read_text()
    rows = re.findall(r'^COMMAND\(\w+, "([a-z-]*)", "([a-z-]+)"', (TOP / "tools/posternctl/command.def").read_text(), re.M)
    assert len(rows) > 30
    for noun, verb in rows:
        assert f".Ss {noun} {verb}".replace("  ", " ") in page
    for code in re.findall(r"^OUTCOME\(\w+, +(\d)", (TOP / "tools/posternctl/outcome.def").read_text(), re.M):
        assert f".It {code}\n" in page


@needs_systemd
def test_unit_is_valid(stage):
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", stage / "usr/lib/systemd/system/postern.service"],
                          capture_output=True, text=True)
    complaints = [line for line in done.stderr.splitlines()
                  if "postern" in line and not re.search("/usr/bin/postern.* is not executable", line)]
    assert not complaints
    text = (stage / "usr/lib/systemd/system/postern.service").read_text()
    for program in re.findall(r"^Exec\w+=(\S+)", text, re.M):
        assert os.access(f"{stage}{program}", os.X_OK), program


@needs_systemd
def test_g18_unit_is_confined():
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", UNIT], capture_output=True, text=True)
    level = float(re.search(r"Overall exposure level.*: ([0-9.]+)", done.stdout)[1])
    assert level <= 1.5, done.stdout
    assert "CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n" in UNIT.read_text()
