"""The book of unanswered messages."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swpt_accounts.broker.amqp.envelopes import EnvelopeEncoder
from swpt_accounts.broker.confirms import Confirms, Job
from swpt_accounts.broker.delivery import Delivery
from swpt_accounts.broker.settlement import Reason, Settlement
from swpt_accounts.events import Envelope


def envelope(number: int, mandatory: bool = True) -> Envelope:
    """An envelope that can be told from others by its body."""
    return Envelope(
        "to_creditors", "00.01", "AccountPurge", -1, 1, None, None, mandatory, b'{"n":%d}' % number
    )


def returned(one: Envelope) -> Delivery:
    """How the broker gives an envelope back."""
    properties = EnvelopeEncoder().properties(one)
    return Delivery(0, one.exchange, one.routing_key, False, properties, one.body, len(one.body))


class Book:
    """One job, written completely."""

    def __init__(self, envelopes: list[Envelope]) -> None:
        self.settlements: list[Settlement] = []
        self.confirms = Confirms()
        self.job = Job(envelopes, self.settlements.append, 0.0)
        for index in range(len(envelopes)):
            self.confirms.sent((self.job, index))

    def answer(self, tag: int, multiple: bool = False, is_ack: bool = True) -> list[Job]:
        return self.confirms.confirmed(tag, multiple, is_ack)

    def unsettled(self) -> list[tuple[int, Reason]]:
        """What the settlement says, when the job is complete."""
        assert self.job.left == 0
        self.job.report()
        return self.settlements[0].unsettled


def test_a_confirm_in_bulk_settles_all_before_it():
    """`multiple` settles everything up to the tag, and once."""
    book = Book([envelope(n) for n in range(5)])
    assert book.answer(2) == []
    assert book.answer(3, multiple=True) == []
    assert len(book.confirms) == 2
    assert book.answer(5, multiple=True) == [book.job]
    assert book.answer(5, multiple=True) == []
    assert book.unsettled() == []


def test_a_refused_message_is_kept_and_no_other():
    """A nack is about its message alone."""
    book = Book([envelope(n) for n in range(3)])
    book.answer(2, is_ack=False)
    book.answer(3, multiple=True)
    assert book.unsettled() == [(1, "nacked")]


def test_a_returned_message_is_not_settled_by_its_confirm():
    """The broker confirms what it has returned; it is kept all the same (rule O2)."""
    book = Book([envelope(n) for n in range(4)])
    book.confirms.returned(returned(envelope(1)))
    book.confirms.returned(returned(envelope(3)))
    book.answer(4, multiple=True)
    assert book.unsettled() == [(1, "returned"), (3, "returned")]


def test_equal_messages_that_come_back_are_counted():
    """Of three equal messages, two of which come back, two are kept."""
    book = Book([envelope(7) for _ in range(3)])
    book.confirms.returned(returned(envelope(7)))
    book.confirms.returned(returned(envelope(7)))
    book.answer(3, multiple=True)
    assert len(book.unsettled()) == 2


def test_a_message_that_is_not_mandatory_never_counts_as_returned():
    """Among equals only the mandatory one can have come back."""
    book = Book([envelope(7, mandatory=False), envelope(7)])
    book.confirms.returned(returned(envelope(7)))
    book.answer(2, multiple=True)
    assert book.unsettled() == [(1, "returned")]


def test_what_an_operator_puts_back_is_known_without_its_type():
    """Its properties are those of its sender, who may have given it no type, or another one."""
    malformed = msgspec.structs.replace(envelope(1), type="Malformed", properties=b"\x80\x00\x04text")
    book = Book([envelope(0), malformed])
    book.confirms.returned(
        Delivery(0, malformed.exchange, malformed.routing_key, False, b"\x80\x00\x04text", b'{"n":1}', 7)
    )
    book.answer(2, multiple=True)
    assert book.unsettled() == [(1, "returned")]


def test_an_unknown_return_lets_nothing_count_as_delivered():
    """If we cannot tell what came back, everything on the way is kept."""
    book = Book([envelope(1), envelope(2, mandatory=False)])
    book.confirms.returned(returned(envelope(9)))
    book.answer(2, multiple=True)
    assert book.unsettled() == [(0, "returned")]


def test_returns_out_of_order_are_found():
    """A return of an earlier message is looked for from the beginning."""
    book = Book([envelope(n) for n in range(4)])
    book.confirms.returned(returned(envelope(2)))
    book.confirms.returned(returned(envelope(0)))
    book.answer(4, multiple=True)
    assert book.unsettled() == [(0, "returned"), (2, "returned")]


def test_what_was_given_up_stays_given_up():
    """A confirm that comes after the time was over changes nothing."""
    book = Book([envelope(n) for n in range(2)])
    book.answer(1)
    book.job.settle_rest("unanswered")
    assert book.confirms.unanswered() == []
    assert book.answer(2) == []
    assert book.unsettled() == [(1, "unanswered")]


def test_a_callers_error_is_logged_and_harmless(caplog):
    """An exception of `on_settled` does not reach the publisher."""

    def fail(settlement: Settlement) -> None:
        raise RuntimeError("the caller's own")

    job = Job([envelope(1)], fail, 0.0)
    job.settle(0, None)
    job.report()
    assert "stay in the outbox" in caplog.text


@given(st.data(), st.integers(1, 30))
@pytest.mark.parametrize("is_ack", [True, False])
def test_any_order_of_answers_settles_everything_once(is_ack, data, count):
    """Whatever mixture of single and bulk answers covers all tags, each message is settled once (rule O3)."""
    book = Book([envelope(n) for n in range(count)])
    completed: Counter[Job] = Counter()
    for tag, multiple in data.draw(st.lists(st.tuples(st.integers(1, count), st.booleans()), max_size=40)):
        completed.update(book.answer(tag, multiple, is_ack))
    completed.update(book.answer(count, multiple=True, is_ack=is_ack))
    completed.update(book.answer(count, multiple=True, is_ack=is_ack))
    assert completed[book.job] == 1
    assert book.unsettled() == ([] if is_ack else [(index, "nacked") for index in range(count)])
