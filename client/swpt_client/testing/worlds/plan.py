"""What is to happen in a world, drawn from its seed."""

from collections.abc import Sequence
from random import Random
from typing import Final

import msgspec

from swpt_client.limits import DIRECT, ISSUING, ROOT_CREDITOR_ID
from swpt_client.moments import DAY, HOUR, MINUTE
from swpt_client.records import Leg, Request, Terms

DEBTOR: Final = -1
SUBNET: Final = 0x0000010000000000
CREDITORS: Final = tuple(SUBNET + number for number in range(1, 5))
"""Who pays in a world, unless it has others."""
ISSUED: Final = (10_000, 30_000, 30_000)
"""One of these for each creditor: in a poor world much is refused."""
MOST_PAID: Final = 4_000


class Payment(msgspec.Struct, frozen=True):
    """One payment; its note is its key, so that the journal tells what it has moved."""

    key: str
    request: Request
    amount: int


class Exchange(msgspec.Struct, frozen=True):
    """One bundle; the note of a leg is its key with the number of the leg."""

    key: str
    legs: tuple[Leg, ...]
    decide_within: int
    repair_for: int


class Plan(msgspec.Struct, frozen=True):
    """A world before anything happens."""

    negligible_amounts: tuple[float, ...]
    """Of the creditors' accounts."""
    acts: tuple[Payment | Exchange, ...]
    interest_rates: tuple[float, ...]
    """Percent per year: the first, and what it is changed to, once, while the acts go on."""
    issued: int
    """What each creditor gets at the beginning."""
    is_slow: bool
    """Half of what the client sends comes up to an hour late, so that deadlines pass."""
    loses_answers: bool
    """What the server sends may be lost for ever, which no broker does."""


def draw(dice: Random, creditors: Sequence[int] = CREDITORS) -> Plan:
    """A random plan of these creditors; in one world of four, bundles are most of it, and late."""
    is_of_bundles = dice.random() < 0.25
    payments, exchanges = (2, 9) if is_of_bundles else (8, 3)
    acts: list[Payment | Exchange] = []
    acts += [_payment(dice, creditors, f"pay {number}") for number in range(payments)]
    acts += [_exchange(dice, creditors, f"swap {number}") for number in range(exchanges)]
    dice.shuffle(acts)
    rates = dice.choice([(0.0,), (0.0,), (0.0,), (5.0, 20.0), (-50.0,), (10.0, -10.0)])
    return Plan(
        negligible_amounts=tuple(dice.choice([0.0, 0.0, 50.0]) for _ in creditors),
        acts=tuple(acts),
        interest_rates=rates,
        issued=dice.choice(ISSUED),
        is_slow=is_of_bundles or dice.random() < 0.2,
        loses_answers=dice.random() < 0.1,
    )


def request_of(sender: int, recipient: int, lock: int, terms: Terms) -> Request:
    """Asks for a lock of exactly so much."""
    is_issuing = sender == ROOT_CREDITOR_ID
    return Request(
        debtor_id=DEBTOR,
        creditor_id=sender,
        recipient=str(recipient),
        min_locked_amount=lock,
        max_locked_amount=lock,
        coordinator_type=ISSUING if is_issuing else DIRECT,
        coordinator_id=DEBTOR if is_issuing else sender,
        terms=terms,
    )


def _payment(dice: Random, creditors: Sequence[int], key: str) -> Payment:
    sender, recipient = dice.sample(creditors, 2)
    amount = dice.choice([dice.randrange(1, 50), dice.randrange(1, MOST_PAID)])
    terms = dice.choice([Terms(), Terms(), Terms(give_up_after=1800), Terms(max_commit_delay=7200)])
    return Payment(key, request_of(sender, recipient, dice.choice([0, amount]), terms), amount)


def _exchange(dice: Random, creditors: Sequence[int], key: str) -> Exchange:
    is_escrow = dice.random() < 0.5
    legs = tuple(
        _leg(dice, creditors, f"{key} leg {number}", is_escrow=is_escrow)
        for number in range(dice.choice([1, 2, 2, 3]))
    )
    return Exchange(
        key,
        legs,
        decide_within=dice.choice([1800, 86400]),
        repair_for=dice.choice([60, 1800, 1800, HOUR // 10**6, 7 * DAY // 10**6]),
    )


def _leg(dice: Random, creditors: Sequence[int], note: str, *, is_escrow: bool) -> Leg:
    """In an escrow all can be paid back.

    Some leave too short a time for a commit that is late, so that they fail after the decision.
    """
    sender, recipient = dice.sample(creditors, 2)
    amount = dice.randrange(1, MOST_PAID)
    terms = dice.choice([Terms(), Terms(max_commit_delay=dice.randrange(20 * MINUTE, 40 * MINUTE) // 10**6)])
    return Leg(
        request=request_of(sender, recipient, amount + 2 + amount // 100, terms),
        committed_amount=amount,
        transfer_note=note,
        payback_creditor_id=recipient if is_escrow else dice.choice([None, recipient]),
        payback_recipient=str(sender),
    )
