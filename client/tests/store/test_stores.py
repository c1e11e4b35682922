"""What every store does: nothing is half written, and what was written is read as it was."""

from datetime import timedelta
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import create_engine

from swpt_client.inputs import (
    Begin,
    BeginBundle,
    CloseTail,
    Commit,
    Configure,
    Dismiss,
    Due,
    Park,
    Refusal,
)
from swpt_client.moments import DAY, MINUTE, SECOND
from swpt_client.records import BundleState, Leg, TransferState
from swpt_client.store.base import DeadLetter, LeftRow, LetterKind, LetterState, Overtaken, Retention
from swpt_client.store.memory import MemoryStore
from swpt_client.store.sql import SqlStore
from tests.bench import POLICY, START, TODAY, Client
from tests.server_messages import (
    account_purge,
    account_transfer,
    account_update,
    finalized_transfer,
    prepared_transfer,
)

from .teller import ACCOUNT, PAYMENT, REQUEST, Teller, step

LEG = Leg(request=replace(REQUEST, min_locked_amount=100, max_locked_amount=100), committed_amount=100)


def test_a_record_is_read_as_it_was_written(store):
    """All fields of accounts, transfers and bundles come back, moments and dates included."""
    teller = Teller(store)
    result = teller.feed(
        Configure(key=ACCOUNT, negligible_amount=1e30, config_data="ключ"),
        Begin(key="t", request=REQUEST, decision=PAYMENT),
        BeginBundle(key="b", legs=(LEG, LEG), decide_within=60),
    )
    assert [store.account(ACCOUNT), store.transfer("t"), store.bundle("b")] == result.answers
    teller.feed(account_update(), account_transfer(1, 5, 5), Park(kind="transfer", key="t"))
    parked = teller.feed(prepared_transfer(store.transfer("t"))).transfers["t"]
    assert parked.evidence
    assert store.transfer("t") == parked
    account = store.account(ACCOUNT)
    assert (account.data.creation_date, account.ledger.principal) == (TODAY, 5)
    assert store.account(account.key._replace(creditor_id=0)) is None
    assert store.transfer("unknown") is None
    assert store.bundle("unknown") is None


def test_an_answer_finds_its_transfer_by_the_request_and_its_bundle(store):
    """Bundle, transfers and accounts are completed from the names that a message has."""
    teller = Teller(store)
    teller.feed(Configure(key=ACCOUNT), BeginBundle(key="b", legs=(LEG, LEG), decide_within=3600))
    teller.feed(account_update())
    first, second = (store.transfer(one.transfer_key) for one in store.bundle("b").status)
    teller.feed(prepared_transfer(first, demurrage_rate=0.0))
    assert store.bundle("b").state is BundleState.PREPARING
    teller.feed(prepared_transfer(second, demurrage_rate=0.0, transfer_id=78))
    assert store.bundle("b").state is BundleState.COMMITTING
    assert store.transfer(first.key).state is TransferState.SETTLED


def test_what_fails_leaves_nothing(store):
    """An exception within the transaction undoes records and messages."""
    teller = Teller(store)
    with pytest.raises(ZeroDivisionError), store.begin() as transaction:
        step(transaction, [Configure(key=ACCOUNT)], POLICY, lambda: START)
        raise ZeroDivisionError
    assert store.account(ACCOUNT) is None
    assert teller.claim() == []


def test_a_savepoint_undoes_only_what_is_in_it(store):
    """So a handler that fails takes nothing with it."""
    with store.begin() as transaction:
        step(transaction, [Configure(key=ACCOUNT)], POLICY, lambda: START)
        with pytest.raises(ZeroDivisionError), transaction.savepoint():
            step(transaction, [Begin(key="t", request=REQUEST)], POLICY, lambda: START)
            raise ZeroDivisionError
    assert store.account(ACCOUNT) is not None
    assert store.transfer("t") is None
    assert store.count_outbox() == 1


def test_transfers_out_of_order_wait_in_the_store(store):
    """What is stored is read again when its predecessor comes, and goes."""
    teller = Teller(store)
    teller.open_account()
    teller.feed(account_transfer(3, 3, 6), account_transfer(2, 2, 3))
    assert store.entries(ACCOUNT, None, 10) == []
    teller.feed(account_transfer(2, 2, 3))
    teller.feed(account_transfer(1, 1, 1))
    assert [one.principal for one in store.entries(ACCOUNT, None, 10)] == [6, 3, 1]
    assert store.account(ACCOUNT).ledger.gap_since is None
    teller.feed(account_transfer(5, 1, 8), CloseTail(key=ACCOUNT))
    assert [one.number for one in store.entries(ACCOUNT, None, 10)] == [5, 4, 3, 2, 1]


def test_entries_are_read_page_by_page_the_newest_ledger_first(store):
    """`before` is the last entry of the page before."""
    teller = Teller(store)
    teller.open_account()
    teller.feed(account_transfer(1, 1, 1), account_transfer(2, 1, 2))
    teller.feed(account_transfer(1, 7, 7, creation_date=TODAY + timedelta(days=1)))
    pages, before = [], None
    while page := store.entries(ACCOUNT, before, 2):
        pages.append([(one.ledger.creation_date, one.principal) for one in page])
        before = page[-1]
    assert pages == [[(TODAY + timedelta(days=1), 7), (TODAY, 2)], [(TODAY, 1)]]


def test_what_is_due_is_found_the_oldest_first(store):
    """Each kind by itself, and not more than asked for."""
    teller = Teller(store)
    teller.open_account()
    teller.begin("late")
    teller.send()
    teller.now += SECOND
    teller.begin("later")
    teller.send()
    teller.feed(BeginBundle(key="b", legs=(LEG,), decide_within=60))
    assert store.due(START, 10).transfers == []
    due = store.due(START + MINUTE * 5, 10)
    assert (due.transfers, due.accounts, due.bundles) == (["late", "later"], [ACCOUNT], ["b"])
    assert store.due(START + MINUTE * 5, 1).transfers == ["late"]


def test_a_message_is_claimed_by_one_owner_until_it_is_confirmed(store):
    """Who dies with a claim loses it; what is confirmed is gone, and its transfer knows."""
    teller = Teller(store)
    teller.begin("t")
    (row,) = store.claim("one", START, START + SECOND, 100)
    assert store.claim("other", START, START + SECOND, 100) == []
    store.renew("one", START + MINUTE)
    assert store.claim("other", START + SECOND, START + MINUTE, 100) == []
    assert store.claim("other", START + MINUTE, START + 2 * MINUTE, 100) == [row]
    store.release("other")
    assert teller.send() == ["PrepareTransfer"]
    assert store.transfer("t").pace.confirmed_at == START
    assert store.count_outbox() == 0


def test_what_is_claimed_is_bounded_and_what_is_left_is_kept(store):
    """Memory is bounded while many messages wait; of a batch only what was confirmed goes."""
    teller = Teller(store)
    for number in range(4):
        teller.feed(*(Begin(key=f"{number}.{other}", request=REQUEST) for other in range(5)))
    rows = teller.claim(most=7)
    assert [len(row.parcels) for row in rows] == [5, 5]
    with store.begin() as transaction:
        transaction.settle([rows[0].id], [LeftRow(rows[1].id, rows[1].parcels[3:], 0)])
    assert store.count_outbox() == 2 + 5 + 5
    store.release("teller")
    assert teller.claim(1)[0].parcels == rows[1].parcels[3:]


def test_records_are_deleted_with_all_that_belongs_to_them(store):
    """A closed account goes with its ledger, a finished transfer after its time."""
    teller = Teller(store)
    teller.feed(Configure(key=ACCOUNT, config_flags=1))
    teller.feed(account_transfer(1, 5, 5), account_transfer(3, 5, 15))
    configured = teller.claim()[0].parcels[0]
    assert configured.envelope.type == "ConfigureAccount"
    account = store.account(ACCOUNT)
    update = account_update(last_config_ts=account.configuration.last_ts, config_flags=1, creation_date=TODAY)
    teller.feed(update)
    teller.feed(account_purge())
    teller.feed(Dismiss(key=teller.begin("t").key))
    teller.now += 401 * DAY
    teller.feed(Due(kind="account", key=ACCOUNT), Due(kind="transfer", key="t"))
    assert store.account(ACCOUNT) is None
    assert store.transfer("t") is None
    assert store.entries(ACCOUNT, None, 10) == []
    teller.open_account()
    teller.feed(account_transfer(2, 5, 10))
    assert store.entries(ACCOUNT, None, 10) == []


def test_dead_letters_are_kept_until_a_person_has_looked_at_them(store):
    """With their bodies, as long as there are not too many of them."""
    letter = DeadLetter(
        kind=LetterKind.MESSAGE, reason="bad_json", body=b"\xff\0", properties={"type": "?"}, added_at=START
    )
    for most in (10, 1):
        with store.begin() as transaction:
            transaction.add_letters([letter], Retention(open_letters_most=most))
    first, second = store.letters(LetterState.OPEN, 0, 10)
    assert replace(first, id=0) == letter
    assert (second.body, second.properties) == (b"", {"type": "?"})
    assert store.letters(LetterState.OPEN, first.id, 10) == [second]
    assert store.close_letter(first.id, LetterState.DISCARDED, START + DAY)
    assert not store.close_letter(first.id, LetterState.RETURNED, START + DAY)
    assert store.clean(Retention(), START + 90 * DAY) == 0
    assert store.clean(Retention(), START + 92 * DAY) == 1
    assert store.letters(LetterState.DISCARDED, 0, 10) == []


def test_old_entries_go_if_it_is_wanted(store):
    """By default they stay for ever."""
    teller = Teller(store)
    teller.open_account()
    teller.feed(account_transfer(1, 1, 1))
    teller.now += DAY
    teller.feed(account_transfer(2, 1, 2))
    assert store.clean(Retention(), START + 1000 * DAY) == 0
    assert store.clean(Retention(entries=DAY), START + DAY + SECOND) == 1
    assert [one.number for one in store.entries(ACCOUNT, None, 10)] == [2]


def test_what_is_open_and_what_is_parked_are_listed_by_key(store):
    """Page by page."""
    teller = Teller(store)
    for key in ("c", "a", "b"):
        teller.begin(key)
    teller.feed(BeginBundle(key="x", legs=(LEG,), decide_within=60))
    teller.feed(Dismiss(key="b"))
    leg = store.bundle("x").status[0].transfer_key
    assert store.open_keys("transfer", "", 10) == ["a", leg, "c"]
    assert store.open_keys("transfer", "a", 1) == [leg]
    assert store.open_keys("bundle", "", 10) == ["x"]
    teller.feed(Park(kind="transfer", key="a"), Park(kind="bundle", key="x"))
    assert [one.key for one in store.parked_transfers("", 10)] == ["a"]
    assert [one.key for one in store.parked_bundles("", 10)] == ["x"]
    assert store.parked_bundles("x", 10) == []
    assert store.open_keys("bundle", "", 10) == []
    assert [one.key for one in store.accounts(None, 10)] == []
    teller.open_account()
    assert [one.key for one in store.accounts(None, 10)] == [ACCOUNT]
    assert store.accounts(ACCOUNT, 10) == []


def test_a_request_id_that_was_used_before_is_not_stored_again(store, monkeypatch):
    """The unique key of requests refuses it, and the transaction may be tried again."""
    monkeypatch.setattr("secrets.randbits", lambda _bits: 7)
    teller = Teller(store)
    teller.begin("t")
    with pytest.raises(Overtaken):
        teller.begin("u")
    assert store.transfer("u") is None


AMOUNTS = st.integers(1, 5)
INPUTS = st.lists(
    st.one_of(
        st.sampled_from(["a", "b", "c"]).map(lambda key: Begin(key=key, request=REQUEST)),
        st.sampled_from(["a", "b", "c"]).map(lambda key: Commit(key=key, decision=PAYMENT)),
        st.sampled_from(["a", "b", "c"]).map(lambda key: Dismiss(key=key)),
        st.integers(1, 5).map(lambda number: account_transfer(number, 1, number)),
        st.just(Configure(key=ACCOUNT)),
        st.just("tick"),
        st.just("answer"),
        st.just("finish"),
    ),
    max_size=12,
)


@given(INPUTS)
def test_a_database_behaves_as_the_memory_does(stories):
    """Whatever happens, SQLite holds what a simple client in memory holds."""
    with TemporaryDirectory() as folder:
        store = SqlStore(create_engine(f"sqlite:///{folder}/client.db"))
        store.prepare()
        for one in (store, MemoryStore()):
            _compare(one, stories)
        store.engine.dispose()


def _compare(store, stories):
    """Tell both the same story; request ids are made at random, so they are told by the store."""
    teller, model = Teller(store), Client()
    for one in stories:
        if one == "tick":
            teller.now = model.now = model.now + DAY
            due = store.due(teller.now, 100)
            teller.feed(*(Due(kind="transfer", key=key) for key in due.transfers))
            model.feed(*(Due(kind="transfer", key=key) for key in due.transfers))
        elif one in ("answer", "finish"):
            make = prepared_transfer if one == "answer" else finalized_transfer
            for key in list(model.transfers):
                teller.feed(make(store.transfer(key)))
                model.feed(make(model.transfers[key]))
        else:
            ours, theirs = teller.feed(one).answers[0], model.feed(one).answers[0]
            assert isinstance(ours, Refusal) == isinstance(theirs, Refusal)
    for key, transfer in model.transfers.items():
        found = store.transfer(key)
        assert _without_request(found) == _without_request(transfer)
    assert store.account(ACCOUNT) == model.accounts.get(ACCOUNT)
    assert list(reversed(store.entries(ACCOUNT, None, 100))) == model.entries
    assert store.count_outbox() == len(model.outbox)


def _without_request(transfer):
    """All but the request id, which is made at random."""
    evidence = tuple(replace(one.message, coordinator_request_id=0) for one in transfer.evidence)
    return replace(transfer, coordinator_request_id=0, evidence=()), evidence
