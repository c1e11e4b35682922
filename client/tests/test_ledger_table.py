"""The table of ledgers, cell by cell."""

import pytest

from swpt_client.inputs import Begin, CloseTail, Configure
from swpt_client.messages import ConfigureAccount
from swpt_client.moments import DAY, HOUR, MINUTE
from swpt_client.news import EntriesAppended, Silent
from swpt_client.records import AccountKey, Ledger, LedgerKey, Request, Transfer

from .bench import ALICE, BOB, DEBTOR, START, TODAY, Client
from .server_messages import TOMORROW, YESTERDAY, account_purge, account_transfer, account_update

KEY = AccountKey(DEBTOR, ALICE)


def make() -> tuple[Client, ConfigureAccount]:
    """An account with a ledger of two entries: 10 and -3."""
    client = Client()
    client.feed(Configure(key=KEY))
    client.confirm()
    [sent] = client.flush()
    client.feed(account_update(sent))
    client.feed(account_transfer(1, 10, 10), account_transfer(2, -3, 7))
    client.hear()
    return client, sent


def lines(client: Client, creation_date=TODAY) -> list[tuple[str, int, int]]:
    """Kind, amount and principal of all entries."""
    return [
        (one.kind.value, one.acquired_amount, one.principal)
        for one in client.entries
        if one.ledger == LedgerKey(KEY, creation_date)
    ]


def ledger_of(client: Client) -> Ledger:
    """The latest ledger."""
    ledger = client.accounts[KEY].ledger
    assert ledger is not None
    return ledger


FIRST_TWO = [("transfer", 10, 10), ("transfer", -3, 7)]


# --- a ledger that is up to date ----------------------------------------------------------------


def test_entries_are_numbered_and_told():
    """In the order of the chain, with what arrived."""
    client = Client()
    client.feed(Configure(key=KEY))
    first, second = account_transfer(1, 10, 10), account_transfer(2, -3, 7)
    client.feed(second, first)
    assert lines(client) == FIRST_TWO
    assert [one.number for one in client.entries] == [1, 2]
    assert [one.transfer for one in client.entries] == [first, second]
    assert client.hear() == [
        EntriesAppended(ledger=LedgerKey(KEY, TODAY), entries=tuple(client.entries)),
    ]
    assert client.stored == {}


@pytest.mark.parametrize("number", [1, 2])
def test_a_known_number_is_ignored(number):
    """Whatever it says this time."""
    client, _ = make()
    client.feed(account_transfer(number, 99, 99))
    assert lines(client) == FIRST_TWO
    assert client.hear() == []


def test_negligible_transfers_show_in_the_next_one():
    """A dummy entry over what is not ours, and only then."""
    client, _ = make()
    client.feed(account_transfer(3, 5, 14), account_transfer(4, 1, 15))
    assert lines(client)[2:] == [("negligible", 2, 9), ("transfer", 5, 14), ("transfer", 1, 15)]


def test_a_chain_may_skip_numbers():
    """Other servers do not count 1, 2, 3."""
    client, _ = make()
    client.feed(account_transfer(9, 1, 10, previous=7), account_transfer(7, 2, 9, previous=2))
    assert lines(client)[2:] == [("transfer", 2, 9), ("transfer", 1, 10)]


@pytest.mark.parametrize("together", [True, False])
def test_what_misses_its_predecessor_is_stored(together):
    """And appended when that arrives, in one batch or in several."""
    client, _ = make()
    late, next_one, last = account_transfer(5, 1, 10), account_transfer(4, 1, 9), account_transfer(3, 1, 8)
    client.now += HOUR
    if together:
        client.feed(late, next_one)
    else:
        client.feed(late)
        client.feed(next_one)
    assert lines(client) == FIRST_TWO
    assert sorted(number for _, number in client.stored) == [4, 5]
    assert ledger_of(client).gap_since == START + HOUR
    client.feed(last)
    assert lines(client)[2:] == [("transfer", 1, 8), ("transfer", 1, 9), ("transfer", 1, 10)]
    assert client.stored == {}
    assert ledger_of(client).gap_since is None


def test_ledgers_of_several_accounts_are_behind_a_gap_at_once():
    """All that is stored is kept, of each of them."""
    client, _ = make()
    other = AccountKey(DEBTOR, BOB)
    client.feed(Configure(key=other))
    client.feed(account_transfer(5, 1, 10), account_transfer(7, 1, 1, creditor_id=BOB))
    assert sorted((key.account.creditor_id, number) for key, number in client.stored) == [
        (ALICE, 5),
        (BOB, 7),
    ]


def test_a_stored_number_is_ignored():
    """Twice is once."""
    client, _ = make()
    client.feed(account_transfer(5, 1, 10))
    assert client.ignored == {}
    client.feed(account_transfer(5, 2, 11), account_transfer(5, 3, 12))
    assert [one.transfer.acquired_amount for one in client.stored.values()] == [1]
    assert client.ignored == {"AccountTransfer, known": 1}, "the first one is ignored by the store"
    client.feed(account_transfer(5, 4, 13), account_transfer(3, 1, 8))
    assert client.ignored == {"AccountTransfer, known": 2}
    assert [one.transfer.acquired_amount for one in client.stored.values()] == [1]


@pytest.mark.parametrize("gap", [True, False])
def test_a_restored_server_names_a_predecessor_of_old(gap):
    """previous < last < number: never rewritten; stored, and appended with a dummy later."""
    client, _ = make()
    if gap:
        client.feed(account_transfer(9, 1, 30))
    client.feed(account_transfer(4, 5, 15, previous=1))
    assert lines(client) == FIRST_TWO
    client.wait(14 * DAY)
    assert lines(client)[2:4] == [("missing", 3, 10), ("transfer", 5, 15)]
    assert len(lines(client)) == (6 if gap else 4)


def test_of_two_that_follow_the_smaller_one_is_taken():
    """A restored server has given a number anew; what was overtaken is dropped."""
    client, _ = make()
    client.feed(account_transfer(5, 1, 9, previous=3), account_transfer(4, 1, 9, previous=3))
    client.feed(account_transfer(3, 1, 8))
    assert lines(client)[2:] == [("transfer", 1, 8), ("transfer", 1, 9)]
    assert ledger_of(client).last_transfer_number == 4
    assert [number for _, number in client.stored] == [5]
    client.feed(account_transfer(6, 1, 10, previous=4))
    assert client.stored == {}
    assert ledger_of(client).gap_since is None


# --- gaps ---------------------------------------------------------------------------------------


def test_a_gap_is_closed_fourteen_days_after_its_arrival():
    """Not after its commitment: a late credit would close it at once."""
    client, _ = make()
    client.now += HOUR
    old = {"committed_at": START - 60 * DAY}
    client.feed(account_transfer(5, 1, 20, **old), account_transfer(6, 1, 21, **old))
    client.wait(14 * DAY - 1)
    assert lines(client) == FIRST_TWO
    client.wait(1)
    assert lines(client)[2:] == [("missing", 12, 19), ("transfer", 1, 20), ("transfer", 1, 21)]
    assert client.stored == {}
    assert client.accounts[KEY].due_at == START + 30 * DAY


def test_each_gap_has_its_own_time():
    """What arrived later waits longer."""
    client, _ = make()
    client.feed(account_transfer(5, 1, 20))
    client.wait(DAY)
    client.feed(account_transfer(9, 1, 30))
    client.wait(13 * DAY)
    assert ledger_of(client).last_transfer_number == 5
    client.wait(DAY)
    assert ledger_of(client).last_transfer_number == 9


def test_nothing_is_missing_if_the_sum_is_right():
    """A dummy entry over nothing is none."""
    client, _ = make()
    client.feed(account_transfer(5, 1, 8))
    client.wait(14 * DAY)
    assert lines(client)[2:] == [("transfer", 1, 8)]


def test_what_arrives_after_its_gap_was_closed_is_ignored():
    """What stands is never rewritten."""
    client, _ = make()
    client.feed(account_transfer(5, 1, 20))
    client.wait(14 * DAY)
    before = lines(client)
    client.feed(account_transfer(3, 4, 11), account_transfer(4, 8, 19))
    assert lines(client) == before


# --- creation dates -----------------------------------------------------------------------------


@pytest.mark.parametrize("by_update", [True, False])
def test_a_later_account_has_a_new_ledger(by_update):
    """Beside the old one, to which all that is stored is appended."""
    client, sent = make()
    client.feed(account_transfer(5, 1, 20))
    if by_update:
        client.feed(account_update(sent, creation_date=TOMORROW))
        assert ledger_of(client) == Ledger(creation_date=TOMORROW)
    client.feed(account_transfer(1, 4, 4, creation_date=TOMORROW))
    assert lines(client) == [*FIRST_TWO, ("missing", 12, 19), ("transfer", 1, 20)]
    assert lines(client, TOMORROW) == [("transfer", 4, 4)]
    assert client.stored == {}
    told = [one.ledger.creation_date for one in client.hear() if isinstance(one, EntriesAppended)]
    assert told == [TODAY, TOMORROW]


@pytest.mark.parametrize("gap", [True, False])
def test_a_transfer_of_a_former_account_is_ignored(gap):
    """Its ledger is closed."""
    client, _ = make()
    if gap:
        client.feed(account_transfer(5, 1, 20))
    before = ledger_of(client)
    client.feed(account_transfer(3, 1, 8, creation_date=YESTERDAY))
    assert ledger_of(client) == before
    assert lines(client, YESTERDAY) == []


# --- the tail -----------------------------------------------------------------------------------


def behind(sent: ConfigureAccount, **members):
    """The server tells of a third transfer."""
    values = {
        "last_change_seqnum": 2,
        "last_transfer_number": 3,
        "last_transfer_committed_at": START,
        "principal": 12,
    }
    return account_update(sent, **(values | members))


def test_a_tail_that_is_missing_is_news_after_a_minute():
    """And nothing else happens: it may be on its way."""
    client, sent = make()
    client.feed(behind(sent))
    client.wait(MINUTE - 1)
    assert client.hear() == []
    client.wait(DAY)
    assert client.hear() == [Silent(subject="ledger", key=KEY, since=START)]
    assert lines(client) == FIRST_TWO


def test_a_tail_that_arrives_is_no_news():
    """In whatever order."""
    client, sent = make()
    client.feed(behind(sent))
    client.feed(account_transfer(3, 5, 12))
    client.wait(DAY)
    assert [type(one) for one in client.hear()] == [EntriesAppended]
    assert ledger_of(client).behind_since is None


def test_a_lost_tail_is_closed_after_fourteen_days():
    """With a dummy entry up to what the server has told."""
    client, sent = make()
    client.feed(behind(sent))
    client.wait(14 * DAY - 1)
    assert lines(client) == FIRST_TWO
    client.wait(1)
    assert lines(client)[2:] == [("missing", 5, 12)]
    ledger = ledger_of(client)
    assert (ledger.last_transfer_number, ledger.principal) == (3, 12)
    client.feed(account_transfer(3, 5, 12))
    assert len(lines(client)) == 3
    client.feed(account_transfer(4, 1, 13))
    assert lines(client)[3:] == [("transfer", 1, 13)]


def test_a_client_that_was_away_finds_its_transfers_in_the_queue():
    """The update that tells of an old transfer may arrive before it."""
    client, sent = make()
    client.now += 60 * DAY
    client.feed(behind(sent, ts=client.now))
    client.wait(DAY - 1)
    assert lines(client) == FIRST_TWO
    client.feed(account_transfer(3, 5, 12))
    assert lines(client)[2:] == [("transfer", 5, 12)]


def test_a_tail_waits_while_something_is_stored():
    """Then it is a gap, and has the time of a gap."""
    client, sent = make()
    client.feed(behind(sent, last_transfer_number=5, principal=20))
    client.wait(10 * DAY)
    client.feed(account_transfer(5, 1, 20))
    client.wait(14 * DAY - 1)
    assert lines(client) == FIRST_TWO
    client.wait(1)
    assert lines(client)[2:] == [("missing", 12, 19), ("transfer", 1, 20)]


def test_a_tail_that_arrives_in_part_is_still_missing():
    """Since when, is not forgotten."""
    client, sent = make()
    client.feed(behind(sent, last_transfer_number=4, principal=13))
    client.now += HOUR
    client.feed(account_transfer(3, 5, 12))
    assert ledger_of(client).behind_since == START
    client.feed(account_transfer(4, 1, 13))
    assert ledger_of(client).behind_since is None


@pytest.mark.parametrize(("committed_at", "days"), [(START, 14), (START + 10 * DAY, 24)])
def test_a_tail_behind_a_gap_is_closed_when_its_own_time_is_over(committed_at, days):
    """And told of once."""
    client, sent = make()
    client.feed(account_transfer(5, 1, 20))
    client.feed(behind(sent, last_transfer_number=7, principal=30, last_transfer_committed_at=committed_at))
    client.wait(14 * DAY)
    closed = [("missing", 12, 19), ("transfer", 1, 20)]
    assert lines(client)[2:4] == closed
    client.wait((days - 14) * DAY)
    assert lines(client)[2:] == [*closed, ("missing", 10, 30)]
    assert [one for one in client.hear() if isinstance(one, Silent)] == [
        Silent(subject="ledger", key=KEY, since=START)
    ]


@pytest.mark.parametrize("creation_date", [TOMORROW, YESTERDAY])
def test_a_tail_of_another_account_says_nothing(creation_date):
    """The state must be of the ledger's own creation date."""
    client, sent = make()
    client.feed(account_transfer(1, 1, 1, creation_date=TOMORROW))
    client.feed(behind(sent, creation_date=YESTERDAY))
    assert ledger_of(client).behind_since is None
    client.feed(behind(sent, creation_date=creation_date))
    assert (ledger_of(client).behind_since is None) == (creation_date == YESTERDAY)


def test_after_a_purge_nothing_is_missing():
    """There is nobody who could send it."""
    client, sent = make()
    client.feed(behind(sent))
    client.feed(account_purge())
    assert ledger_of(client).behind_since is None


# --- restored clients ---------------------------------------------------------------------------


def begin() -> Begin:
    """Alice wants to pay."""
    request = Request(
        debtor_id=DEBTOR,
        creditor_id=ALICE,
        recipient="7",
        min_locked_amount=0,
        max_locked_amount=0,
        coordinator_id=ALICE,
    )
    return Begin(key="t", request=request)


def test_a_ledger_that_is_behind_takes_no_new_transfers():
    """What it does not know might have been paid already."""
    client, sent = make()
    client.feed(behind(sent))
    client.wait(MINUTE)
    refusal = client.call(begin())
    assert refusal.code == "LEDGER_IS_BEHIND"
    assert client.transfers == {}
    assert client.flush() == []
    client.feed(account_transfer(3, 5, 12))
    assert client.call(begin()).state == "initiated"


def test_a_ledger_that_catches_up_in_the_same_batch_takes_new_transfers():
    """What has just arrived counts."""
    client, sent = make()
    client.feed(behind(sent))
    client.wait(MINUTE)
    answer = client.feed(account_transfer(3, 5, 12), begin()).answers[1]
    assert isinstance(answer, Transfer)


def test_a_ledger_may_be_behind_for_a_moment():
    """The update and the transfer travel for themselves."""
    client, sent = make()
    client.feed(behind(sent))
    client.now += MINUTE - 1
    assert client.call(begin()).state == "initiated"


def test_a_known_key_is_answered_also_behind():
    """It asks for nothing new."""
    client, sent = make()
    client.feed(begin())
    client.feed(behind(sent))
    client.wait(MINUTE)
    assert client.call(begin()) == client.transfers["t"]


@pytest.mark.parametrize("stored", [True, False])
def test_closing_the_tail_by_hand(stored):
    """A marked dummy entry brings the ledger to what the server has told, at once."""
    client, sent = make()
    if stored:
        client.feed(account_transfer(6, 1, 20))
    client.feed(behind(sent, last_transfer_number=7, principal=25))
    client.wait(MINUTE)
    answer = client.call(CloseTail(key=KEY))
    assert answer == client.accounts[KEY]
    expected = [("missing", 12, 19), ("transfer", 1, 20), ("missing", 5, 25)]
    assert lines(client)[2:] == (expected if stored else [("missing", 18, 25)])
    assert client.call(begin()).state == "initiated"
    assert client.stored == {}


@pytest.mark.parametrize(("principal", "dummies"), [(7, []), (8, [("missing", 1, 8)])])
def test_a_tail_that_moves_nothing_needs_no_dummy(principal, dummies):
    """Only the number follows; one unit is something."""
    client, sent = make()
    client.feed(behind(sent, principal=principal))
    client.feed(CloseTail(key=KEY))
    assert lines(client)[2:] == dummies
    assert (ledger_of(client).last_transfer_number, ledger_of(client).behind_since) == (3, None)


def test_closing_a_tail_that_is_not_there():
    """Nothing happens: not for a state without a new number, and not for that of another account."""
    client, sent = make()
    client.feed(CloseTail(key=KEY))
    assert lines(client) == FIRST_TWO
    client.feed(behind(sent, last_transfer_number=2, principal=9))
    client.feed(CloseTail(key=KEY))
    assert lines(client) == FIRST_TWO
    client.feed(account_transfer(1, 5, 5, creation_date=TOMORROW), behind(sent, last_change_seqnum=3))
    client.feed(CloseTail(key=KEY))
    assert (lines(client), lines(client, TOMORROW)) == (FIRST_TWO, [("transfer", 5, 5)])
    client.feed(account_purge(TOMORROW))
    assert client.accounts[KEY].data is None
    client.feed(CloseTail(key=KEY))
    assert lines(client, TOMORROW) == [("transfer", 5, 5)]
    assert client.call(CloseTail(key=AccountKey(DEBTOR, ALICE + 5))).code == "NOT_FOUND"


def test_a_root_account_has_an_empty_ledger():
    """The server announces nothing for it, and it is never behind."""
    client = Client()
    client.feed(Configure(key=AccountKey(DEBTOR, 0), negligible_amount=1e30))
    [sent] = client.flush()
    client.feed(account_update(sent, principal=-1000))
    client.wait(10 * DAY)
    assert client.entries == []
    assert client.hear()[1:] == []
