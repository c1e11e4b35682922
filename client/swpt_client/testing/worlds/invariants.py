"""What must be true at the end of every world."""

from collections import Counter, defaultdict

from swpt_accounts.rules.facts import Entry as JournalEntry
from swpt_client.limits import ROOT_CREDITOR_ID
from swpt_client.records import (
    Account,
    AccountKey,
    Bundle,
    BundleState,
    Entry,
    EntryKind,
    LedgerKey,
    Outcome,
    Transfer,
    TransferState,
)

from .plan import DEBTOR, Exchange, Payment
from .world import World


def check(world: World) -> None:
    """All invariants.  Raises AssertionError."""
    moved = _moved(world)
    check_end(world)
    check_transfers(world, moved)
    check_bundles(world, moved)
    check_ledgers(world)


def _moved(world: World) -> Counter[tuple[int, int]]:
    """What the journal of the server says to have moved, by coordinator and request."""
    moved: Counter[tuple[int, int]] = Counter()
    for entry in world.server.tables.journal:
        if entry.coordinator_request_id:
            moved[entry.coordinator_id, entry.coordinator_request_id] += entry.amount
    return moved


def check_end(world: World) -> None:
    """Nothing is locked, nothing waits, no money was made or lost, and both understood each other."""
    tables = world.server.tables
    assert not tables.prepared, "something is locked"
    assert sum(one.principal for one in tables.accounts.values()) == 0, "money was made or lost"
    assert all(one.total_locked_amount == 0 for one in tables.accounts.values())
    assert not world.server.dead_letters, world.server.dead_letters
    assert not world.client.undecodable, world.client.undecodable
    assert not world.client.memory.outbox


def check_transfers(world: World, moved: Counter[tuple[int, int]]) -> None:
    """Each transfer has one outcome, told once, and has moved what its outcome says, once."""
    memory = world.client.memory
    paid = Counter(entry.transfer_note for entry in world.server.tables.journal)
    for act in world.plan.acts:
        if isinstance(act, Payment):
            assert world.told[act.key] == 1, f"{act.key} was told {world.told[act.key]} times"
            assert paid[act.key] <= 1, f"{act.key} was paid {paid[act.key]} times"
    known = world.finished | memory.transfers
    for transfer in known.values():
        assert transfer.state in (TransferState.FINISHED, TransferState.CANCELLED), transfer
        _check_transfer(world, transfer, moved[_request(transfer)])


def _request(transfer: Transfer) -> tuple[int, int]:
    return transfer.request.coordinator_id, transfer.coordinator_request_id


def _check_transfer(world: World, transfer: Transfer, moved: int) -> None:
    wanted = 0 if transfer.decision is None else transfer.decision.committed_amount
    if transfer.outcome == Outcome.OK:
        assert moved == wanted, f"{transfer.key} is OK, and has moved {moved} instead of {wanted}"
    elif transfer.outcome == Outcome.UNKNOWN:
        assert world.plan.loses_answers, f"the outcome of {transfer.key} is unknown"
        assert moved in (0, wanted)
    else:
        assert transfer.outcome != Outcome.UNEXPECTED, transfer.key
        assert moved == 0, f"{transfer.key} ended with {transfer.outcome}, and has moved {moved}"


def check_bundles(world: World, moved: Counter[tuple[int, int]]) -> None:
    """All of a bundle has moved, or nothing; else a person knows."""
    bundles = world.finished_bundles | world.client.memory.bundles
    for act in world.plan.acts:
        if isinstance(act, Exchange):
            assert act.key in bundles, f"{act.key} is forgotten"
    legs: dict[str, list[Transfer]] = defaultdict(list)
    for transfer in (world.finished | world.client.memory.transfers).values():
        if transfer.bundle_key is not None:
            legs[transfer.bundle_key].append(transfer)
    for bundle in bundles.values():
        there = sum(moved[_request(one)] for one in legs[bundle.key] if ".back" not in one.key)
        back = sum(moved[_request(one)] for one in legs[bundle.key] if ".back" in one.key)
        _check_bundle(world, bundle, there, back)


def _check_bundle(world: World, bundle: Bundle, there: int, back: int) -> None:
    whole = sum(leg.committed_amount for leg in bundle.legs)
    where = f"{bundle.key} is {bundle.state}: {there} of {whole} have moved there, {back} back"
    assert world.told[bundle.key] == (bundle.finished_at is not None), where
    if bundle.state is BundleState.DONE:
        assert (there, back) == (whole, 0), where
    elif bundle.state in (BundleState.DISMISSED, BundleState.FAILED):
        assert (there, back) == (0, 0), where
    elif bundle.state is BundleState.REVERSED:
        assert 0 < there == back < whole, where
    else:
        assert bundle.is_alarming, where
        if bundle.state is BundleState.TORN:
            assert 0 <= back < there, where
        else:
            assert world.plan.loses_answers, where


def check_ledgers(world: World) -> None:
    """Every announced transfer once and in its order, without a gap, and the server's principal."""
    memory = world.client.memory
    entries: dict[LedgerKey, list[Entry]] = defaultdict(list)
    for entry in memory.entries:
        entries[entry.ledger].append(entry)
    for creditor in world.creditors:
        account = memory.accounts[AccountKey(DEBTOR, creditor)]
        assert account.configuration.state == "effectual", account
        assert account.ledger is not None, "an account without a ledger"
        ledger = LedgerKey(account.key, account.ledger.creation_date)
        _check_ledger(world, account, entries[ledger])
    assert memory.accounts[AccountKey(DEBTOR, ROOT_CREDITOR_ID)].configuration.state == "effectual"


def _check_ledger(world: World, account: Account, entries: list[Entry]) -> None:
    principal = 0
    for number, entry in enumerate(entries, 1):
        principal += entry.acquired_amount
        assert (entry.number, entry.principal) == (number, principal), f"a gap before {entry}"
    ledger = account.ledger
    assert ledger is not None
    assert account.data is not None
    told, ends = _announced(world.server.tables.journal, account.key)
    there = ends if world.plan.loses_answers else ends[:1]
    assert ledger.principal == principal in there, (
        f"the ledger of {account.key} ends with {principal} ({ledger.principal}), the server's with {there}"
    )
    assert account.data.principal == world.server.principal(*account.key)
    assert ledger.gap_since is None, f"a gap in the ledger of {account.key}"
    assert ledger.behind_since is None, f"the ledger of {account.key} is behind"
    have = [one.transfer.transfer_number for one in entries if one.transfer is not None]
    assert have == sorted(set(have)), f"the ledger of {account.key} has {have}"
    if not world.plan.loses_answers:
        assert have == told, f"the ledger of {account.key} has {have}, the server has told {told}"
        assert all(one.kind is not EntryKind.MISSING for one in entries)


def _announced(journal: list[JournalEntry], key: AccountKey) -> tuple[list[int], list[int]]:
    """The numbers of the transfers that the server has announced, and the principals from the last one on.

    Negligible ones that come after it have no place in the ledger before the next one that is
    announced, or, if that one is missing, in the dummy that stands for it.
    """
    told = []
    ends = [0]
    for entry in journal:
        if entry.debtor_id != key.debtor_id:
            continue
        if entry.sender_creditor_id == key.creditor_id:
            number, after = entry.sender_transfer_number, entry.sender_principal
        elif entry.recipient_creditor_id == key.creditor_id:
            number, after = entry.recipient_transfer_number, entry.recipient_principal
        else:
            continue
        if number:
            told.append(number)
            ends.clear()
        ends.append(after or 0)
    return told, ends
