"""The proof: what must be true of the book when all is quiet.  A claim without witnesses is false.

Everything comes from messages that the client has sent and received, except for what is left in
queues and tables.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from math import expm1, isclose, log1p
from typing import Final

from swpt_accounts.wire.codes import INSUFFICIENT_AVAILABLE_AMOUNT, RECIPIENT_IS_UNREACHABLE
from swpt_accounts.wire.moments import elapsed_seconds, parse_timestamp
from swpt_accounts.wire.numbers import ROOT_CREDITOR_ID, SECONDS_PER_YEAR

from .accounts import OwnAccount
from .transfers import COMMITTED, DISMISSED, Transfer, Wish

POSSIBLE_OUTCOMES: Final[Mapping[Wish, AbstractSet[str]]] = {
    # Whoever was paid too little before has not enough to pay.
    Wish.COMMIT: {COMMITTED, INSUFFICIENT_AVAILABLE_AMOUNT},
    Wish.DISMISS: {DISMISSED},
    Wish.LOCK_TOO_MUCH: {INSUFFICIENT_AVAILABLE_AMOUNT},
    Wish.COMMIT_TOO_MUCH: {INSUFFICIENT_AVAILABLE_AMOUNT},
    Wish.PAY_NOBODY: {RECIPIENT_IS_UNREACHABLE},
}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the client knows at the end."""

    accounts: Mapping[int, OwnAccount]
    """All accounts of the currency, by creditor id; 0 is the root account."""
    transfers: Sequence[Transfer]
    """All that were ever asked for, finished or not."""
    audits: Sequence[Transfer]
    """The last question to each account: requests that must be refused, to see what is locked."""
    prepared: AbstractSet[tuple[int, int]]
    finalized: Mapping[tuple[int, int], AbstractSet[bytes]]
    interest_rate: float
    debtor_info_iri: str
    left: Mapping[str, int]
    """What is left, by the name of the place where nothing may be left."""
    unexpected: Sequence[str]


@dataclass(frozen=True)
class Finding:
    """A claim, and what speaks against it."""

    claim: str
    faults: Sequence[str]

    @property
    def is_proved(self) -> bool:
        """Whether nothing speaks against the claim."""
        return not self.faults


def prove(evidence: Evidence) -> list[Finding]:
    """Check all claims; the book is right if all of them are proved."""
    accounts, transfers = evidence.accounts, evidence.transfers
    entries = sum(len(account.ledger.entries) for account in accounts.values())
    places = ", ".join(evidence.left)
    claims: list[tuple[str, Collection[object], Iterator[str]]] = [
        (f"the principals of {len(accounts)} accounts sum to zero", accounts, _sums(evidence)),
        (
            f"every ledger chain is gapless, with exact running principals ({entries} entries)",
            [None] * entries,
            _chains(evidence),
        ),
        (
            "every committed transfer is in the ledgers of both parties once, and nothing else is",
            transfers,
            _bookings(evidence),
        ),
        ("the principals that the server announces are those of our book", accounts, _principals(evidence)),
        (
            f"each of {len(evidence.prepared)} prepared transfers was finalized exactly once",
            evidence.prepared,
            _finalizations(evidence),
        ),
        (f"each of {len(transfers)} requests had an outcome it may have", transfers, _outcomes(evidence)),
        ("no amount is locked any more, say all accounts", evidence.audits, _locks(evidence)),
        ("the interest is what our ledgers make of rate and time", accounts, _interest(evidence)),
        ("the settings of the currency have reached all accounts", accounts, _settings(evidence)),
        (f"nothing is left in {places}", evidence.left, _leftovers(evidence)),
        ("no message came that should not have come", ["all messages"], iter(evidence.unexpected)),
    ]
    return [
        Finding(claim, list(faults) if witnesses else ["there is nothing to check"])
        for claim, witnesses, faults in claims
    ]


def net_amounts(transfers: Sequence[Transfer]) -> Counter[int]:
    """What the committed transfers make of each account's principal."""
    net: Counter[int] = Counter()
    for transfer in transfers:
        if transfer.outcome == COMMITTED:
            net[transfer.creditor_id] -= transfer.committed_amount
            net[transfer.recipient_id] += transfer.committed_amount
    return net


def _ordinary(evidence: Evidence) -> Iterator[OwnAccount]:
    return (one for one in evidence.accounts.values() if one.creditor_id != ROOT_CREDITOR_ID)


def _sums(evidence: Evidence) -> Iterator[str]:
    unknown = [one.creditor_id for one in evidence.accounts.values() if one.state is None]
    if unknown:
        yield f"accounts {unknown} never announced their principal"
    total = sum(one.state["principal"] for one in evidence.accounts.values() if one.state is not None)
    if total != 0:
        yield f"they sum to {total}"
    if not any(one.state and one.state["principal"] for one in evidence.accounts.values()):
        yield "all of them are zero: no money was ever issued"


def _chains(evidence: Evidence) -> Iterator[str]:
    for account in _ordinary(evidence):
        ledger, creditor_id = account.ledger, account.creditor_id
        if ledger.stored:
            yield f"account {creditor_id}: a gap after transfer number {ledger.last_transfer_number}"
        principal = 0
        for number, entry in enumerate(ledger.entries, start=1):
            principal += entry.amount
            if entry.number != number:
                yield f"account {creditor_id}: number {entry.number} stands where {number} belongs"
            if entry.principal != principal:
                yield (
                    f"account {creditor_id}: the principal after transfer {number} "
                    f"is {entry.principal} instead of {principal}"
                )
                principal = entry.principal


def _bookings(evidence: Evidence) -> Iterator[str]:
    wanted: defaultdict[int, Counter[tuple[str, int]]] = defaultdict(Counter)
    for transfer in evidence.transfers:
        if transfer.outcome == COMMITTED:
            wanted[transfer.creditor_id][transfer.note, -transfer.committed_amount] += 1
            wanted[transfer.recipient_id][transfer.note, transfer.committed_amount] += 1
    if not wanted:
        yield "no transfer was committed"
    strangers = wanted.keys() - evidence.accounts.keys()
    if strangers:
        yield f"money went to accounts that do not exist: {sorted(strangers)}"
    for account in _ordinary(evidence):
        booked = Counter((entry.note, entry.amount) for entry in account.ledger.entries)
        ours = wanted[account.creditor_id]
        yield from (f"account {account.creditor_id} lacks {one}" for one in (ours - booked).elements())
        yield from (f"account {account.creditor_id} has {one} too" for one in (booked - ours).elements())


def _principals(evidence: Evidence) -> Iterator[str]:
    net = net_amounts(evidence.transfers)
    for account in evidence.accounts.values():
        if account.state is None:
            yield f"account {account.creditor_id} never announced its principal"
        elif account.state["principal"] != net[account.creditor_id]:
            yield (
                f"account {account.creditor_id} announces {account.state['principal']}, "
                f"our book says {net[account.creditor_id]}"
            )
        elif account.state["last_transfer_number"] != account.ledger.last_transfer_number:
            yield (
                f"account {account.creditor_id} has {account.state['last_transfer_number']} transfers, "
                f"we know {account.ledger.last_transfer_number}"
            )


def _finalizations(evidence: Evidence) -> Iterator[str]:
    for key in sorted(evidence.prepared | evidence.finalized.keys()):
        times = len(evidence.finalized.get(key, ()))
        if key not in evidence.prepared:
            yield f"transfer {key[1]} of account {key[0]} was never prepared, but finalized"
        elif times != 1:
            yield f"transfer {key[1]} of account {key[0]} was finalized {times} times"


def _outcomes(evidence: Evidence) -> Iterator[str]:
    for transfer in evidence.transfers:
        if transfer.outcome not in POSSIBLE_OUTCOMES[transfer.wish]:
            wanted = transfer.wish.value
            yield f"{transfer.note}, wanted: {wanted}, ended with {transfer.outcome or 'nothing'}"


def _locks(evidence: Evidence) -> Iterator[str]:
    asked = {audit.creditor_id for audit in evidence.audits}
    if missing := sorted(evidence.accounts.keys() - asked):
        yield f"accounts {missing} were not asked"
    for audit in evidence.audits:
        if audit.outcome != INSUFFICIENT_AVAILABLE_AMOUNT or audit.total_locked_amount != 0:
            yield (
                f"account {audit.creditor_id} says {audit.outcome or 'nothing'}, "
                f"with {audit.total_locked_amount} locked"
            )


def _interest(evidence: Evidence) -> Iterator[str]:
    rate_constant = log1p(evidence.interest_rate / 100.0) / SECONDS_PER_YEAR
    for account in _ordinary(evidence):
        if account.state is None:
            yield f"account {account.creditor_id} never announced its interest"
            continue
        changes = [(entry.committed_at, entry.amount) for entry in account.ledger.entries]
        changes.append((parse_timestamp(account.state["last_change_ts"]), 0))
        principal, interest, since = 0, 0.0, changes[0][0]
        for moment, amount in changes:
            balance = max(0.0, principal + interest)
            interest += balance * expm1(rate_constant * elapsed_seconds(since, moment))
            # What was committed on another shard comes late, and brings what it has earned on its way.
            interest += amount * expm1(rate_constant * elapsed_seconds(moment, since))
            principal += amount
            since = max(since, moment)
        announced = account.state["interest"]
        if not isclose(announced, interest, rel_tol=1e-6, abs_tol=1e-6):
            yield f"account {account.creditor_id} announces {announced:.9f}, our book says {interest:.9f}"


def _settings(evidence: Evidence) -> Iterator[str]:
    wanted = (evidence.interest_rate, evidence.debtor_info_iri)
    for account in _ordinary(evidence):
        state = account.state or {}
        if (state.get("interest_rate"), state.get("debtor_info_iri")) != wanted:
            yield f"account {account.creditor_id} has rate {state.get('interest_rate')}"


def _leftovers(evidence: Evidence) -> Iterator[str]:
    for place, number in evidence.left.items():
        if number:
            yield f"{number} in {place}"
