"""What has ever been odd at a door gets the answer that it must get."""

import pytest

from tests.backstage.busy_desk import busy_desk

from .case import Case, cases_in, corpus_of
from .doors.amqp import Amqp
from .doors.decoder import Decoder
from .doors.forms import Forms
from .doors.http import Http


def cases(door: str) -> list[object]:
    """The corpus of a door, each case by its title."""
    return [pytest.param(case, id=case.title) for case in corpus_of(door)]


@pytest.fixture(scope="module")
def desk(postgres):
    """The listeners on a database with a bit of everything in it, for all cases."""
    with busy_desk(postgres) as desk:
        yield desk


@pytest.fixture(scope="module")
def http(desk):
    """Both listeners."""
    return Http(desk)


@pytest.fixture(scope="module")
def forms(desk):
    """The console, with an operator in it."""
    return Forms(desk)


@pytest.mark.parametrize("case", cases("decoder"))
def test_a_body_is_judged_as_it_was(case: Case):
    """Whatever was sent as a message is one, or gets the same reason by both ways."""
    assert Decoder().answer(**case.fields) == case.answer


@pytest.mark.parametrize("case", cases("amqp"))
def test_bytes_of_a_broker_are_read_as_they_were(case: Case):
    """Frames, a wait for more, or the one error, however they are split."""
    assert Amqp().answer(**case.fields) == case.answer


@pytest.mark.parametrize("case", cases("http"))
def test_a_request_is_answered_as_it_was(case: Case, http):
    """Never as an error of ours."""
    assert http.answer(**case.fields) == case.answer


@pytest.mark.parametrize("case", cases("forms"))
def test_a_form_is_answered_as_it_was(case: Case, forms):
    """Never as an error of ours, and the page behind it can be seen."""
    assert forms.answer(**case.fields) == case.answer


def test_a_case_is_read_as_it_was_written():
    """Bytes, texts and long runs come back."""
    body, name = b"\xef{" + b"[" * 5000 + b"\n\\x", "я\ud800" * 3 + "x" * 99
    case = Case("a title", "by hand", {"body": body, "type": None, "name": name, "cuts": [1]}, "too_deep")
    assert len(str(case)) < 200
    assert list(cases_in(f"{case}\n\n{case}\n")) == [case, case]
