"""News reach handlers, and one that fails holds up nobody."""

import sys
from logging import CRITICAL

import pytest
from sqlalchemy import text

from swpt_client.news import EntriesAppended, TransferFinished, TransferPrepared
from swpt_client.records import Transfer
from tests.server_messages import (
    finalized_transfer,
    prepared_transfer,
    rejected_transfer,
)


class Silence(Exception):
    """It cannot say what it is."""

    def __str__(self):
        raise RuntimeError("no words")


def test_news_reach_handlers_within_the_transaction(office):
    """What a handler does with the session, calls included, is stored together with the news."""
    agent, heard = office.agent, []

    @agent.on(TransferPrepared)
    def decide(session, news):
        agent.commit(news.transfer.key, 40, session=session)

    @agent.on(TransferFinished, EntriesAppended)
    def hear(session, news):
        heard.append(type(news).__name__)

    with agent:
        transfer = office.reserve("k")
        office.wire.deliver(prepared_transfer(transfer, locked_amount=60))
        assert office.wire.wait_for("FinalizeTransfer")["committed_amount"] == 40
        office.wire.deliver(finalized_transfer(transfer, committed_amount=40))
        assert agent.wait("k", 10).outcome == "OK"
        agent.dismiss(office.reserve("other").key)
        assert heard == ["TransferFinished", "TransferFinished"]


def test_a_handler_that_fails_is_isolated(office):
    """Its news are parked, what it has written is undone, and all others are told; it may be tried again."""
    agent, heard = office.agent, []
    is_broken = True

    @agent.on(TransferFinished)
    def fragile(session, news):
        office.pay(f"after {news.transfer.key}", session=session)
        heard.append(news.transfer.key)
        if is_broken and news.transfer.key == "bad":
            raise RuntimeError("no, thanks")

    with agent:
        transfers = [office.pay(key) for key in ("a", "bad", "c", "d")]
        tag = office.wire.deliver(*(rejected_transfer(one) for one in transfers))
        office.wire.wait_for_ack(tag)
        assert [one.key for one in transfers if agent.find_transfer(f"after {one.key}")] == ["a", "c", "d"]
        assert agent.find_transfer("bad").outcome == "INSUFFICIENT_AVAILABLE_AMOUNT"
        (letter,) = agent.persons.letters()
        assert (letter.reason, letter.detail) == (
            "handler_failed",
            "TransferFinished: RuntimeError: no, thanks",
        )
        is_broken = False
        agent.persons.put_back(letter.id)
        office.wire.wait_until(lambda: agent.find_transfer("after bad"))
        assert list(agent.persons.letters()) == []


@pytest.mark.parametrize("office", ["sqlite"], indirect=True)
def test_a_wrong_statement_of_a_handler_is_the_handlers(office):
    """It does not look as if the database were away."""
    agent = office.agent

    @agent.on(TransferFinished)
    def careless(session, news):
        session.execute(text("SELECT price FROM nowhere"))

    with agent:
        office.wire.wait_for_ack(office.wire.deliver(rejected_transfer(office.pay("k"))))
        (letter,) = agent.persons.letters()
        assert "no such table" in letter.detail


def test_a_handler_may_not_wait_for_itself(office):
    """A call without the session would wait for the handler's own locks: it fails, and nothing hangs."""
    agent = office.agent

    @agent.on(TransferFinished)
    def careless(session, news):
        agent.dismiss("k")

    with agent:
        tag = office.wire.deliver(rejected_transfer(office.pay("k")))
        office.wire.wait_for_ack(tag)
        (letter,) = agent.persons.letters()
        assert "need its session" in letter.detail


def test_a_handler_that_wants_to_end_everything_ends_nothing(office):
    """`sys.exit` in a handler, or a test that fails in it, is a failure as others are; the agent goes on."""
    agent = office.agent

    @agent.on(TransferFinished)
    def leave(_session, news):
        if news.transfer.key == "bad":
            sys.exit("that is enough")

    with agent:
        office.wire.deliver(rejected_transfer(office.pay("bad")))
        assert agent.wait("bad", 30).outcome == "INSUFFICIENT_AVAILABLE_AMOUNT"
        office.wire.deliver(rejected_transfer(office.pay("good")))
        assert agent.wait("good", 30).outcome == "INSUFFICIENT_AVAILABLE_AMOUNT"
        (letter,) = agent.persons.letters()
        assert letter.detail == "TransferFinished: SystemExit: that is enough"


@pytest.mark.parametrize("office", ["memory"], indirect=True)
@pytest.mark.parametrize("kinds", [(), ("TransferFinished",), (Transfer,), (TransferFinished, int)])
def test_what_are_no_news_cannot_be_heard(office, kinds):
    """A handler that would never be called is a mistake."""
    with pytest.raises(TypeError, match="swpt_client"):
        office.agent.on(*kinds)


def test_what_nobody_here_has_asked_for_is_dismissed_aloud(office, caplog):
    """Another agent with our subnet, on another store, would lose all its payments without a word."""
    with office.agent:
        stranger = rejected_transfer(office.pay("k"))
        office.wire.deliver(
            prepared_transfer(
                office.store.transfer("k"), coordinator_request_id=stranger.coordinator_request_id + 1
            )
        )
        assert office.wire.wait_for("FinalizeTransfer")["committed_amount"] == 0
        office.wire.wait_until(lambda: "another agent with our subnet" in caplog.text)


@pytest.mark.parametrize("office", ["sqlite"], indirect=True)
@pytest.mark.parametrize("end", ["commit", "rollback", "close"])
def test_a_handler_that_ends_the_transaction_fails_and_nothing_is_lost(office, end):
    """The usual `except: session.rollback()` undid the whole batch, which was acknowledged all the same."""
    agent = office.agent

    @agent.on(TransferFinished)
    def hear(session, _news):
        session.execute(text("INSERT INTO smp_meta (name, value) VALUES ('x', 'y')"))
        getattr(session, end)()

    with agent:
        office.wire.deliver(rejected_transfer(office.pay("k")))
        assert agent.wait("k", 30).outcome == "INSUFFICIENT_AVAILABLE_AMOUNT"
        (letter,) = agent.persons.letters()
        assert "not yours to end" in letter.detail
    with office.store.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM smp_meta WHERE name = 'x'")).scalar() == 0


@pytest.mark.parametrize("office", ["memory"], indirect=True)
@pytest.mark.parametrize("error", [Exception("a\udcffb"), Silence()])
def test_a_handler_may_fail_with_words_that_nobody_can_keep(office, error, caplog):
    """What matters is that it has failed."""
    agent = office.agent
    # Those who run tests side by side cannot keep them either.
    caplog.set_level(CRITICAL, "swpt_client.handlers")

    @agent.on(TransferFinished)
    def hear(_session, _news):
        raise error

    with agent:
        office.wire.deliver(rejected_transfer(office.pay("k")))
        assert agent.wait("k", 30).outcome == "INSUFFICIENT_AVAILABLE_AMOUNT"
        (letter,) = agent.persons.letters()
        assert letter.detail in (
            "TransferFinished: Exception: a\\udcffb",
            "TransferFinished: Silence: (it cannot say what)",
        )


@pytest.mark.parametrize("office", ["memory"], indirect=True)
def test_a_handler_may_not_wait_for_its_own_agent(office):
    """It would wait for itself."""
    agent = office.agent
    agent.on(TransferFinished)(lambda _session, _news: agent.catch_up(60))
    with agent:
        office.wire.deliver(rejected_transfer(office.pay("k")))
        office.wire.wait_until(lambda: list(agent.persons.letters()))
        (letter,) = agent.persons.letters()
        assert "AssertionError" in letter.detail


@pytest.mark.parametrize("office", ["sqlite"], indirect=True)
def test_a_handler_may_make_news_that_are_heard_at_once(office):
    """It is called within itself; and the transaction stays open until the outer one has ended."""
    agent, heard = office.agent, []

    @agent.on(TransferFinished)
    def hear(session, news):
        heard.append(news.transfer.key)
        if news.transfer.key == "a":
            agent.dismiss("b", session=session)
            agent.dismiss("c", session=session)
            with pytest.raises(RuntimeError, match="not yours to end"):
                session.rollback()

    with agent:
        transfer = office.pay("a")
        office.reserve("b")
        office.reserve("c")
        office.wire.deliver(rejected_transfer(transfer))
        assert agent.wait("a", 30).outcome == "INSUFFICIENT_AVAILABLE_AMOUNT"
        assert list(agent.persons.letters()) == []
        assert [agent.wait(key, 30).outcome for key in "bc"] == ["CANCELLED"] * 2
    assert heard == ["a", "b", "c"]
