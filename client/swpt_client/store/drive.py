"""Folds inputs within one transaction of a store: lock, read, decide, write."""

import secrets
from collections.abc import Callable, Sequence

import msgspec

from swpt_client import core
from swpt_client.core import Records, Result
from swpt_client.inputs import Input, Refusal
from swpt_client.moments import Moment
from swpt_client.policy import Policy
from swpt_client.records import AccountKey, LedgerKey

from .base import Claim, OutboxRow, Transaction


class RefusedAt(Exception):
    """The first of some calls that is refused."""

    def __init__(self, place: int, refusal: Refusal) -> None:
        super().__init__(place, refusal)
        self.place = place
        self.refusal = refusal


def step_whole(
    transaction: Transaction,
    calls: Sequence[Input],
    policy: Policy,
    clock: Callable[[], Moment],
    claim: Claim | None = None,
) -> tuple[Result, OutboxRow | None]:
    """Fold calls, and store what was decided if none of them is refused; see `step_claimed`.

    Raises RefusedAt, and nothing is stored; Overtaken as `step_claimed`.
    """
    records, result, now = _decide(transaction, calls, policy, clock)
    for place, answer in enumerate(result.answers):
        if isinstance(answer, Refusal):
            raise RefusedAt(place, answer)
    return result, transaction.write(records, result, now, claim)


def step_claimed(
    transaction: Transaction,
    inputs: Sequence[Input],
    policy: Policy,
    clock: Callable[[], Moment],
    claim: Claim | None,
) -> tuple[Result, OutboxRow | None]:
    """Fold inputs, and store what was decided; the clock is read when all is locked.

    What leaves is claimed as it is written, and given as well.  Raises Overtaken if another transaction
    was quicker with a new key.
    """
    records, result, now = _decide(transaction, inputs, policy, clock)
    return result, transaction.write(records, result, now, claim)


def _decide(
    transaction: Transaction, inputs: Sequence[Input], policy: Policy, clock: Callable[[], Moment]
) -> tuple[Records, Result, Moment]:
    records = transaction.read(core.needs(inputs))
    now = clock()
    wanted = core.needs_stored(inputs, records, now)
    if wanted:
        stored = transaction.read_stored([_latest_ledger(records, key) for key in sorted(wanted)])
        records = msgspec.structs.replace(records, stored=stored)
    return records, core.fold(inputs, records, now, secrets.randbits(64), policy), now


def _latest_ledger(records: Records, key: AccountKey) -> LedgerKey:
    ledger = records.accounts[key].ledger
    assert ledger is not None, "only what waits in a ledger is asked for"
    return LedgerKey(key, ledger.creation_date)
