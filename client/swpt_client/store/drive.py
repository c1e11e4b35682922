"""Folds inputs within one transaction of a store: lock, read, decide, write."""

import secrets
from collections.abc import Callable, Sequence

import msgspec

from swpt_client import core
from swpt_client.core import Records, Result
from swpt_client.inputs import Input
from swpt_client.moments import Moment
from swpt_client.policy import Policy
from swpt_client.records import AccountKey, LedgerKey

from .base import Claim, OutboxRow, Transaction


def step(
    transaction: Transaction, inputs: Sequence[Input], policy: Policy, clock: Callable[[], Moment]
) -> Result:
    """Fold inputs, and store what was decided; the clock is read when all is locked.

    Raises Overtaken if another transaction was quicker with a new key.
    """
    return step_claimed(transaction, inputs, policy, clock, None)[0]


def step_claimed(
    transaction: Transaction,
    inputs: Sequence[Input],
    policy: Policy,
    clock: Callable[[], Moment],
    claim: Claim | None,
) -> tuple[Result, OutboxRow | None]:
    """The same; what leaves is claimed as it is written, and given as well."""
    records = transaction.read(core.needs(inputs))
    now = clock()
    wanted = core.needs_stored(inputs, records, now)
    if wanted:
        stored = transaction.read_stored([_latest_ledger(records, key) for key in sorted(wanted)])
        records = msgspec.structs.replace(records, stored=stored)
    result = core.fold(inputs, records, now, secrets.randbits(64), policy)
    return result, transaction.write(records, result, now, claim)


def _latest_ledger(records: Records, key: AccountKey) -> LedgerKey:
    ledger = records.accounts[key].ledger
    assert ledger is not None, "only what waits in a ledger is asked for"
    return LedgerKey(key, ledger.creation_date)
