"""spec/http1.md and incidents P, H, F at the client's side and at the upstream's: framing/ holds the cases."""
import pytest
from corpus import cases, rig


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    with rig(tmp_path_factory) as r:
        yield r


@pytest.mark.parametrize("case", cases("framing/request"))
def test_request(plain, case):
    plain.play_case(case)


@pytest.mark.parametrize("case", cases("framing/answer"))
def test_answer(plain, case):
    plain.play_case(case, default=b"GET /asked HTTP/1.1\r\nHost: a\r\n\r\n")
