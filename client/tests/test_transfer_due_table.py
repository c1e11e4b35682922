"""What time makes of running transfers, cell by cell."""

import pytest
from msgspec.structs import replace

from swpt_client.inputs import Commit
from swpt_client.moments import DAY, HOUR, MINUTE, SECOND
from swpt_client.news import Silent, TransferFinished
from swpt_client.records import Terms

from .bench import START, Client
from .server_messages import prepared_transfer
from .transfer_states import PAY, REQUEST, begin, make

# --- due ----------------------------------------------------------------------------------------

DAYS_OF_A_YEAR = 365


def test_a_request_is_repeated_from_its_confirmation():
    """After 10 s, 1 min, 10 min, 1 h, 6 h, and then daily; only `ts` is new."""
    client = Client()
    client.feed(begin())
    [first] = client.flush()
    client.now += 3 * HOUR
    client.tick()
    assert client.flush() == [], "nothing is repeated while a copy waits in the outbox"
    for pause in (10 * SECOND, MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY, DAY):
        client.confirm()
        client.wait(pause - 1)
        assert client.flush() == []
        client.wait(1)
        [again] = client.flush()
        assert again == replace(first, ts=client.now)


def test_a_deadline_does_not_move_with_repetitions():
    """Ten minutes from the beginning are ten minutes from the beginning."""
    client = make("none")
    client.feed(begin(request=replace(REQUEST, terms=Terms(max_commit_delay=600))))
    client.confirm()
    assert client.flush()[0].max_commit_delay == 600
    for pause, left in ((10 * SECOND, 590), (MINUTE, 530), (10 * MINUTE, 0)):
        client.wait(pause)
        client.confirm()
        assert client.flush()[0].max_commit_delay == left


def test_a_request_without_answer_is_news_after_a_day_once():
    """We go on asking."""
    client = make("initiated")
    client.wait(3 * DAY)
    assert client.hear() == [Silent(subject="transfer", key="t", since=START)]
    assert client.transfers["t"].state == "initiated"


@pytest.mark.parametrize("state", ["initiated", "settled, committed"])
def test_a_client_that_was_away_asks_again_and_worries_at_once(state):
    """Both are due."""
    client = make(state)
    client.now += 2 * DAY
    client.tick()
    assert client.hear() == [Silent(subject="transfer", key="t", since=START)]
    assert len(client.flush()) == 1


@pytest.mark.parametrize("wanted", [None, PAY])
def test_a_request_is_given_up_when_its_caller_said_so(wanted):
    """What comes yet is dismissed, also what was to be committed."""
    client = Client()
    client.feed(begin(request=replace(REQUEST, terms=Terms(give_up_after=60)), decision=wanted))
    client.confirm()
    client.wait(MINUTE - 1)
    assert client.transfers["t"].state == "initiated"
    client.wait(1)
    given_up = client.transfers["t"]
    assert (given_up.state, given_up.outcome, given_up.reason) == ("cancelled", "CANCELLED", "GIVE_UP")
    assert given_up.decision is None
    assert [type(one) for one in client.hear()] == [TransferFinished]
    client.flush()
    client.feed(prepared_transfer(given_up))
    assert [one.committed_amount for one in client.flush()] == [0]


def test_a_request_is_given_up_also_while_it_waits_in_the_outbox():
    """A broker that is away does not hold a caller."""
    client = Client()
    client.feed(begin(request=replace(REQUEST, terms=Terms(give_up_after=60))))
    client.wait(MINUTE)
    assert client.transfers["t"].state == "cancelled"


@pytest.mark.parametrize(("decide_within", "at"), [(600, 10 * MINUTE), (None, 90 * DAY)])
def test_what_nobody_decides_is_dismissed(decide_within, at):
    """Every prepared transfer is settled in the end: when its caller said so, or at its deadline."""
    client = make("prepared", replace(REQUEST, terms=Terms(decide_within=decide_within)))
    client.wait(at - 1)
    assert client.transfers["t"].state == "prepared"
    client.wait(1)
    assert (client.transfers["t"].state, client.transfers["t"].reason) == ("settled", "DECIDE_BY")
    assert [one.committed_amount for one in client.flush()] == [0]


@pytest.mark.parametrize("state", ["settled, committed", "settled, dismissed"])
def test_a_decision_is_repeated_from_its_confirmation(state):
    """After 1 min, 10 min, 1 h, 6 h, and then daily; only `ts` is new."""
    client = make(state)
    amount = 150 if state.endswith("committed") else 0
    for pause in (MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY, DAY):
        client.wait(pause - 1)
        assert client.flush() == []
        client.wait(1)
        [again] = client.flush()
        assert (again.committed_amount, again.ts) == (amount, client.now)
        client.wait(2 * MINUTE)
        assert client.flush() == [], "nothing is repeated while a copy waits in the outbox"
        client.confirm()
    assert Silent(subject="transfer", key="t", since=START) in client.hear()


@pytest.mark.parametrize(
    ("state", "outcome"), [("settled, committed", "UNKNOWN"), ("settled, dismissed", "DISMISSED")]
)
def test_a_decision_without_answer_ends_after_a_year(state, outcome):
    """A commit that is silent for a year is unknown; a dismissal has moved nothing."""
    client = make(state)
    for _ in range(DAYS_OF_A_YEAR - 1):
        client.wait(DAY)
        client.confirm()
    assert client.transfers["t"].state == "settled"
    client.wait(2 * DAY)
    assert client.transfers["t"].outcome == outcome
    # a reminder that comes after all gets the same decision
    client.flush()
    client.feed(prepared_transfer(client.transfers["t"]))
    assert [one.committed_amount for one in client.flush()] == [150 if outcome == "UNKNOWN" else 0]


def test_a_decision_whose_repetition_waits_in_the_outbox_is_news_and_ends_in_time():
    """The broker is away: nothing is repeated, but a day is a day, and a year is a year."""
    client = make("settled, committed")
    client.wait(MINUTE)
    assert len(client.flush()) == 1
    client.wait(DAY - MINUTE - 1)
    assert client.hear() == []
    client.wait(1)
    assert client.hear() == [Silent(subject="transfer", key="t", since=START)]
    client.wait((DAYS_OF_A_YEAR - 1) * DAY - 1)
    assert client.transfers["t"].state == "settled"
    client.wait(1)
    assert client.transfers["t"].outcome == "UNKNOWN"
    assert client.flush() == []


def test_a_decision_that_never_left_is_never_unknown():
    """A broker that is away for two years does not make an outcome."""
    client = make("prepared")
    client.feed(Commit(key="t", decision=PAY))
    client.wait(2 * 365 * DAY)
    assert client.transfers["t"].state == "settled"


@pytest.mark.parametrize(
    ("state", "days"),
    [
        ("finished, rejected", 400),
        ("finished, committed", 400),
        ("finished, dismissed", 400),
        ("cancelled", 30),
    ],
)
def test_what_has_ended_is_kept_for_long(state, days):
    """And then deleted."""
    client = make(state)
    client.wait(days * DAY - 1)
    assert "t" in client.transfers
    client.wait(1)
    assert client.transfers == {}


def test_what_is_parked_is_never_due():
    """Nothing happens by itself."""
    assert make("parked").transfers["t"].due_at is None
