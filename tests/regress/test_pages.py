"""What docs/security-testing.md names is there: it cannot go stale unseen."""
import pathlib
import re

TESTS = pathlib.Path(__file__).resolve().parents[1]
PAGE = (TESTS.parent / "docs" / "security-testing.md").read_text()


def test_tests_named_by_the_security_page_exist():
    named = re.findall(r"`([\w/.-]+\.(?:py|c))::(\w+)`", PAGE)
    assert len(named) > 20
    missing = [f"{file}::{name}" for file, name in named
               if not (TESTS / file).is_file() or not re.search(rf"\b{name}\(", (TESTS / file).read_text())]
    assert not missing


def test_cases_named_by_the_security_page_exist():
    files = re.findall(r"`(corpus/[\w/.-]+\.yaml)`", PAGE)
    assert files and not [f for f in files if not (TESTS / f).is_file()]
    whys = [p.read_text() for p in TESTS.glob("corpus/tokens/*/*.yaml")]
    rows = re.findall(r"`corpus/tokens/([A-Z]\d+)`", PAGE)
    assert rows and not [r for r in rows if not any(re.search(rf"^why:.*\b{r}\b", w, re.M) for w in whys)]
    ids = {i for p in TESTS.glob("corpus/framing/*/*.yaml") for i in re.findall(r"^id: (\w+)$", p.read_text(), re.M)}
    rows = re.findall(r"`corpus/framing/([A-Z]\d+)`", PAGE)
    assert rows and set(rows) <= ids
    for corpus in "identity", "paths":
        ids = {i for p in TESTS.glob(f"corpus/{corpus}/*.yaml") for i in re.findall(r"^id: (\w+)$", p.read_text(), re.M)}
        rows = re.findall(rf"`corpus/{corpus}/([A-Z]\d+)`", PAGE)
        assert rows and set(rows) <= ids, set(rows) - ids
