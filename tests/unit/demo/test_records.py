"""What the client of the demonstration makes of messages in any order, any number of times."""

from collections import Counter
from itertools import permutations
from random import Random

from swpt_accounts.demo.accounts import OwnAccount
from swpt_accounts.demo.disorder import Disorder
from swpt_accounts.demo.ledger import Ledger
from swpt_accounts.wire.moments import parse_timestamp

NOW = parse_timestamp("2026-11-21T10:00:00Z")


def account_transfer(number, amount, principal):
    """An AccountTransfer, as far as ledgers look at it."""
    return {
        "transfer_number": number,
        "previous_transfer_number": number - 1,
        "acquired_amount": amount,
        "principal": principal,
        "transfer_note": f"number {number}",
        "committed_at": "2026-11-21T10:00:00+00:00",
    }


def update(seqnum, principal, ts="2026-11-21T10:00:00+00:00"):
    """An AccountUpdate, as far as records look at it."""
    return {
        "creation_date": "2026-11-21",
        "last_change_ts": "2026-11-21T10:00:00+00:00",
        "last_change_seqnum": seqnum,
        "principal": principal,
        "ts": ts,
        "ttl": 60,
    }


def test_a_ledger_is_the_same_in_every_order():
    """Transfers stand in the order of their numbers, each once, however they come."""
    transfers = [account_transfer(1, 10, 10), account_transfer(2, -4, 6), account_transfer(3, 5, 11)]
    for order in permutations(transfers):
        ledger = Ledger()
        for one in (*order, *order):
            ledger.take(one)
        assert [(entry.number, entry.amount) for entry in ledger.entries] == [(1, 10), (2, -4), (3, 5)]
        assert (ledger.principal, ledger.last_transfer_number, ledger.stored) == (11, 3, {})


def test_a_ledger_shows_what_was_not_announced():
    """A principal that the transfers do not explain becomes an entry without a number."""
    ledger = Ledger()
    ledger.take(account_transfer(1, 10, 13))
    assert [(entry.number, entry.amount, entry.principal) for entry in ledger.entries] == [
        (0, 3, 3),
        (1, 10, 13),
    ]


def test_the_latest_state_wins_in_every_order():
    """AccountUpdates are compared by their numbers, which wrap around; old messages are ignored."""
    states = [update(2**31 - 1, 1), update(-(2**31), 2), update(-(2**31) + 1, 3)]
    for order in permutations(states):
        account = OwnAccount(7, 101)
        for one in (*order, *order):
            account.take_update(one, NOW)
        assert account.state == states[-1]
    account.take_update(update(-(2**31) + 2, 4, ts="2026-11-21T09:58:59+00:00"), NOW)
    assert account.state == states[-1]


def test_a_configuration_is_repeated_as_it_is_until_it_is_in_effect():
    """Without an answer the same message goes again; with one it does not."""
    account = OwnAccount(7, 101)
    wanted = account.configure(NOW)
    assert account.repeat(NOW + 5, patience=5) == []
    assert account.repeat(NOW + 6, patience=5) == [wanted]
    effect = {"last_config_ts": wanted["ts"], "last_config_seqnum": 0}
    settings = {name: wanted[name] for name in ("config_flags", "config_data", "negligible_amount")}
    account.take_update(update(1, 0) | effect | settings, NOW)
    assert account.is_configured
    assert account.repeat(NOW + 99, patience=5) == []
    assert account.configure(NOW - 5)["seqnum"] == 1
    assert account.wanted is not None
    assert account.wanted["ts"] == wanted["ts"]
    assert not account.is_configured


def test_a_careless_postman_brings_everything_in_the_end():
    """What may not be lost arrives once or twice, and not in order."""
    postman: Disorder[int] = Disorder(Random(1))
    arrived = [one for number in range(2000) for one in postman.pass_on(number)]
    arrived += postman.pass_all()
    times = Counter(arrived)
    assert set(times) == set(range(2000))
    assert Counter(times.values()) == {1: 2000 - postman.twice, 2: postman.twice}
    assert postman.is_empty
    assert postman.twice > 100
    assert postman.late > 200
    assert postman.lost == 0
    assert arrived != sorted(arrived)


def test_a_careless_postman_loses_what_may_be_lost():
    """What is lost does not arrive at all."""
    postman: Disorder[int] = Disorder(Random(1))
    arrived = [one for number in range(2000) for one in postman.pass_on(number, may_be_lost=True)]
    arrived += postman.pass_all()
    assert len(set(arrived)) == 2000 - postman.lost
    assert postman.lost > 10
