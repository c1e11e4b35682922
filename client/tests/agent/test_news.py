"""News reach handlers, and one that fails holds up nobody."""

import pytest
from sqlalchemy import text

from swpt_client.news import EntriesAppended, TransferFinished, TransferPrepared
from tests.server_messages import (
    finalized_transfer,
    prepared_transfer,
    rejected_transfer,
)


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
