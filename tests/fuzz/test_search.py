"""The search finds what is planted, makes it small, and repeats itself."""

import itertools

import pytest

from swpt_accounts.broker.amqp.frames import FrameReader
from swpt_accounts.wire.messages import decoding

from .doors.amqp import Amqp
from .doors.decoder import Decoder
from .search import Search

MOST_INPUTS = 20_000


def until_found(search):
    """Stops a search when it has found something, or has tried long enough."""
    return lambda: bool(search.failures) or search.inputs >= MOST_INPUTS


def test_a_fast_way_that_takes_too_much_is_found(monkeypatch):
    """The slow way refuses NUL and lone surrogates; without the check of the fast way both differ."""
    monkeypatch.setattr(decoding, "has_clean_escapes", lambda body: True)
    search = Search(Decoder(), 1)
    search.go_on(until_found(search))
    [failure] = search.failures.values()
    assert "the slow way says" in failure.case.title
    assert b"\\u" in failure.case.fields["body"]


@pytest.mark.parametrize("error", [ValueError, TimeoutError])
def test_an_error_that_is_none_of_the_promised_is_found(monkeypatch, error):
    """A reader of frames may raise one error and no other."""
    read = FrameReader._method_frame

    def odd(reader, channel, data, start, stop):
        if b"\x00V" in data[start:stop]:
            raise error("odd")
        return read(reader, channel, data, start, stop)

    monkeypatch.setattr(FrameReader, "_method_frame", odd)
    search = Search(Amqp(), 1)
    search.go_on(until_found(search))
    [failure] = search.failures.values()
    assert failure.case.title == f"{error.__name__}: odd"
    # What does not matter was left out.
    assert len(failure.case.fields["data"]) < 40


def test_a_seed_repeats_everything():
    """The same inputs, and the same of them are kept."""

    def play(seed):
        search, count = Search(Decoder(), seed), itertools.count()
        search.go_on(lambda: next(count) >= 300)
        return search.pool, search.tracer.covered_lines

    assert play(5) == play(5)
    assert play(5) != play(6)
