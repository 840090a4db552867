"""Any size, any number: `make sizes` with small figures, so that a change that keeps too much is seen at once."""
import pathlib
import sys

import pytest
from conftest import BUILD

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "load"))
import sizes  # noqa: E402


@pytest.mark.skipif(BUILD.name in ("asan", "tsan"), reason="a sanitizer's memory is not ours")
@pytest.mark.parametrize("name", sizes.CHECKS)
def test_memory_stays_within_its_bound(name):
    lines = list(sizes.run(name, sizes.SMALL))
    print("\n" + "\n".join(text for text, _ in lines))
    assert lines and all(ok for _, ok in lines), "\n".join(text for text, _ in lines)
