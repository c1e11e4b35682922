"""A story of much traffic at once: two workers, copies, contradictions, and money that stays."""

import random
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

from .agent import Event
from .currency import ALICE, BOB, CAROL, ROOT, instant

SEED = 20261121
CREDITORS = (ALICE, BOB, CAROL, -1, 7)


def test_money_is_neither_made_nor_lost(short_currency):
    """Principals add up to 0, chains have no gap, transfers end once (behaviours 36, 76, 80, 81 and 82)."""
    currency, chance = short_currency, random.Random(SEED)
    updates = defaultdict(list)
    currency.open_root()
    for creditor_id in CREDITORS:
        updates[creditor_id].append(currency.open(creditor_id))
        currency.issue(creditor_id, 1000)

    transfers = []
    for _ in range(40):
        senders = chance.sample((ROOT, *CREDITORS), 3)
        requests = [ask_for_a_transfer(currency, chance, sender_id) for sender_id in senders]
        prepared = [event for request in requests if (event := granted(currency, request)) is not None]
        decisions = [
            decide(currency, chance, event) for event in prepared for _ in range(chance.choice((1, 1, 2)))
        ]
        chance.shuffle(decisions)
        for decision in decisions:
            currency.agent.send(decision)
        transfers += [currency.finalized(event) for event in prepared]

    principals = {}
    for creditor_id in (ROOT, *CREDITORS):
        last = currency.open(creditor_id, negligible_amount=1e30 if creditor_id == ROOT else 0.0)
        updates[creditor_id].append(last)
        principals[creditor_id] = last.principal
    assert sum(principals.values()) == 0
    statuses = Counter((event.status_code, event.committed_amount > 0) for event in transfers)
    assert statuses["OK", True] > 20
    assert len(statuses) == 3, "committed, dismissed and failed ones"
    assert not [event for event in currency.inbox if event.type == "FinalizedTransfer"]

    for creditor_id in CREDITORS:
        check_chain(currency, creditor_id, updates[creditor_id])


def ask_for_a_transfer(currency, chance, sender_id):
    """A request that may or may not be granted, sometimes sent twice."""
    recipient_id = chance.choice((ROOT, *CREDITORS))
    request = currency.request(
        sender_id, recipient_id, min_locked_amount=0, max_locked_amount=chance.choice((0, 10, 2000))
    )
    if chance.random() < 0.2:
        currency.agent.send(request)
    return request


def granted(currency, request):
    """The PreparedTransfer of a request, or None if it was rejected."""

    def answered():
        for event in currency.inbox:
            if event.type in ("PreparedTransfer", "RejectedTransfer") and event.has(
                coordinator_request_id=request["coordinator_request_id"]
            ):
                return event
        return None

    event = currency.agent.wait(answered, lambda: f"an answer to {request}")
    return event if event.type == "PreparedTransfer" else None


def decide(currency, chance, prepared):
    """A commit or a dismissal; two for the same transfer may contradict each other."""
    return currency.finalization(prepared, chance.choice((0, 1, 10, prepared.locked_amount, 3000)))


def check_chain(currency, creditor_id, updates):
    """The AccountTransfers of an account fit together, and its AccountUpdates fit to them."""
    updates = updates + [
        e for e in currency.inbox if e.type == "AccountUpdate" and e.creditor_id == creditor_id
    ]
    last = max(updates, key=lambda event: event.last_change_seqnum)
    transfers: dict[int, Event] = {}
    while len(transfers) < last.last_transfer_number:
        event = currency.take("AccountTransfer", creditor_id=creditor_id)
        assert event.transfer_number not in transfers
        transfers[event.transfer_number] = event
    chain = [transfers[number] for number in range(1, last.last_transfer_number + 1)]
    assert chain[0].principal == chain[0].acquired_amount
    for before, after in pairwise(chain):
        assert after.previous_transfer_number == before.transfer_number
        assert after.principal == before.principal + after.acquired_amount
    assert chain[-1].principal == last.principal

    states: dict[int, dict[str, Any]] = {}
    for update in sorted(updates, key=lambda event: event.last_change_seqnum):
        state = {name: value for name, value in update.fields.items() if name not in ("ts", "ttl")}
        assert states.setdefault(update.last_change_seqnum, state) == state
        number = update.last_transfer_number
        assert number == 0 or transfers[number].committed_at == update.last_transfer_committed_at
        assert number == 0 or transfers[number].principal == update.principal
    moments = [instant(state["last_change_ts"]) for state in states.values()]
    assert moments == sorted(moments)
