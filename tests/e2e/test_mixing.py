"""No mix-ups, briefly; `make mixing` is the long run (tests/mixing/run.py)."""
import sys

import pytest
from conftest import BUILD, PATIENCE, TOP

sys.path.insert(0, str(TOP / "tests/mixing"))
import run  # noqa: E402


@pytest.mark.skipif(not (BUILD / "tests/mixing").exists(), reason="the target mixing is not built")
def test_no_answer_of_many_users_is_anothers(tmp_path):
    for exchanges in 5000, 20000, 60000:  # a fast machine may be through before anything is revoked
        folder = tmp_path / str(exchanges)
        folder.mkdir()
        status, line, failures = run.play(folder, exchanges=exchanges, seed=20261125, seconds=90 * PATIENCE,
                                          margin_ms=1000 * PATIENCE)  # `make mixing` holds it to 100 ms
        print(line)
        assert status == 0 and not failures, (status, line, failures)
        counts = dict(pair.split("=") for pair in line.split()[1:])
        missing = [what for what in ("pipelined", "aborted", "websockets", "revocations", "reloads", "left_over")
                   if int(counts[what]) == 0]
        if not missing:
            break
    assert not missing, f"{missing}: none, so the run shows nothing about them: {line}"
