"""The assembler of ledgers against a naive model, under any order, duplication and loss."""

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from swpt_client.inputs import Configure
from swpt_client.messages import AccountTransfer
from swpt_client.moments import DAY, HOUR, MINUTE
from swpt_client.records import AccountKey, EntryKind

from .bench import ALICE, DEBTOR, START, Client
from .server_messages import account_transfer, account_update

KEY = AccountKey(DEBTOR, ALICE)
amounts = st.integers(-1000, 1000)


@st.composite
def histories(draw):
    """What a server does to an account: amounts, each announced or negligible."""
    steps = draw(st.lists(st.tuples(amounts.filter(bool), st.booleans()), min_size=1, max_size=20))
    principals = list(accumulate(amount for amount, _ in steps))
    transfers: list[AccountTransfer] = []
    number = 0
    for (amount, is_announced), principal in zip(steps, principals, strict=True):
        if is_announced:
            previous, number = number, number + draw(st.integers(1, 3))
            transfers.append(account_transfer(number, amount, principal, previous=previous))
    return transfers, principals[-1]


@st.composite
def deliveries(draw, transfers):
    """Any order, any number of times, in batches of any size; perhaps not all."""
    lost = draw(st.sets(st.sampled_from(transfers))) if transfers else set()
    arriving = [one for one in transfers if one not in lost]
    copies = [one for one in arriving for _ in range(draw(st.integers(1, 3)))]
    shuffled = draw(st.permutations(copies))
    batches: list[list[AccountTransfer]] = [[]]
    for one in shuffled:
        batches[-1].append(one)
        if draw(st.booleans()):
            batches.append([])
    return batches, arriving


def naive(arriving: list[AccountTransfer], announced: list[AccountTransfer]):
    """What the ledger must be when all has arrived, and every gap was closed: sort, and fill."""
    known = {one.transfer_number for one in announced}
    lines: list[tuple[EntryKind, int, int | None]] = []
    principal = last = 0
    for one in sorted(arriving, key=lambda one: one.transfer_number):
        missing = one.principal - one.acquired_amount - principal
        if missing:
            complete = one.previous_transfer_number == last
            lines.append((EntryKind.NEGLIGIBLE if complete else EntryKind.MISSING, missing, None))
        lines.append((EntryKind.TRANSFER, one.acquired_amount, one.transfer_number))
        principal, last = one.principal, one.transfer_number
        assert last in known
    return lines, principal


@given(st.data())
def test_a_ledger_is_what_a_naive_reader_would_write(data):
    """Whatever the order, and whatever is lost, once all gaps are closed."""
    transfers, _ = data.draw(histories())
    batches, arriving = data.draw(deliveries(transfers))
    client = Client()
    client.feed(Configure(key=KEY))
    for batch in batches:
        client.now += data.draw(st.sampled_from([0, MINUTE, HOUR]))
        client.feed(*batch)
        client.confirm()
    for _ in range(len(transfers) + 1):
        client.wait(15 * DAY)
        client.confirm()
    lines = [
        (one.kind, one.acquired_amount, one.transfer.transfer_number if one.transfer else None)
        for one in client.entries
    ]
    expected, principal = naive(arriving, transfers)
    assert lines == expected
    assert client.stored == {}
    if arriving:
        ledger = client.accounts[KEY].ledger
        assert ledger is not None
        assert (ledger.principal, ledger.gap_since) == (principal, None)
        assert ledger.last_transfer_number == max(one.transfer_number for one in arriving)
        assert ledger.entry_count == len(lines)


@given(st.data())
def test_nothing_is_missing_if_nothing_is_lost(data):
    """Then there are no dummies but those for negligible transfers, and no time has to pass."""
    transfers, _ = data.draw(histories())
    client = Client()
    client.feed(Configure(key=KEY))
    order = data.draw(st.permutations(transfers))
    for one in order:
        client.feed(one)
    expected, _ = naive(transfers, transfers)
    assert [one.acquired_amount for one in client.entries] == [amount for _, amount, _ in expected]
    assert all(one.kind is not EntryKind.MISSING for one in client.entries)
    assert client.stored == {}


@given(st.data())
def test_every_entry_continues_the_one_before(data):
    """A history that audits itself: at every moment, also while something is missing."""
    transfers, final = data.draw(histories())
    batches, _ = data.draw(deliveries(transfers))
    client = Client()
    client.feed(Configure(key=KEY))
    sent = client.flush()[0]
    for batch in batches:
        client.feed(*batch)
        principal = 0
        for number, entry in enumerate(client.entries, 1):
            principal += entry.acquired_amount
            assert (entry.number, entry.principal) == (number, principal)
    last = max((one.transfer_number for one in transfers), default=0)
    client.feed(
        account_update(sent, principal=final, last_transfer_number=last, last_transfer_committed_at=START)
    )
    client.wait(15 * DAY * (len(transfers) + 1))
    ledger = client.accounts[KEY].ledger
    assert ledger is not None
    assert ledger.last_transfer_number == last
    if client.entries and client.entries[-1].kind is EntryKind.MISSING:
        assert ledger.principal == final


@given(st.data())
def test_batches_of_any_size_write_the_same(data):
    """One by one, or all at once."""
    transfers, _ = data.draw(histories())
    batches, _ = data.draw(deliveries(transfers))
    one_by_one, at_once = Client(), Client()
    for client in (one_by_one, at_once):
        client.feed(Configure(key=KEY))
    flat = [one for batch in batches for one in batch]
    for one in flat:
        one_by_one.feed(one)
    at_once.feed(*flat)
    assert one_by_one.entries == at_once.entries
    assert one_by_one.stored == at_once.stored
    left, right = one_by_one.accounts[KEY], at_once.accounts[KEY]
    assert replace(left, due_at=None) == replace(right, due_at=None)
