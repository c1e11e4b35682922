"""Several workers on the same accounts: nothing is lost, doubled, or stuck."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from swpt_accounts.events import PreparedTransfer, RejectedTransfer
from swpt_accounts.rules.accounts import Account
from swpt_accounts.rules.currency import DebtorInfo
from swpt_accounts.runtime import clock
from swpt_accounts.storage.faults import BatchConflictError
from tests.backstage.audit import find_violations
from tests.backstage.builders import (
    ALICE,
    BOB,
    DEBTOR,
    FIRST_TRANSFER_ID,
    ROOT,
    configure,
    finalize,
    prepared,
    request,
)
from tests.backstage.server import locking
from tests.backstage.stand import Stand, standing
from tests.backstage.stories import issue, seed
from tests.backstage.waiting import wait_until

WORKERS = 4
BLOCKED = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)
LOCK_OUTBOX = "LOCK TABLE outbox IN SHARE MODE"
LOCK_ALICE = f"SELECT 1 FROM account WHERE creditor_id = {ALICE} FOR UPDATE"


@pytest.fixture
def workers(stand, database) -> Iterator[list[Stand]]:
    """Connections of several workers."""
    with ExitStack() as stack:
        yield [stack.enter_context(standing(database)) for _ in range(WORKERS)]


@contextmanager
def in_parallel(*functions: Callable[[], object]) -> Iterator[list[Future[Any]]]:
    """The functions in threads of their own; their errors come out at the end of the context."""
    with ThreadPoolExecutor(len(functions)) as pool:
        futures = [pool.submit(function) for function in functions]
        yield futures
    for future in futures:
        future.result()


def wait_until_blocked(stand: Stand, count: int = 1) -> None:
    """Wait until so many connections wait for a lock."""
    wait_until(lambda: stand.value(BLOCKED) == count, f"{count} blocked connections")


def transfer(sender_id: int, recipient_id: int, serial: int, transfer_id: int, amount: int):
    """The two messages of a transfer whose id is known in advance."""
    key = {"coordinator_request_id": serial}
    return (
        request(sender_id, recipient_id, **key),
        finalize(prepared(sender_id, recipient_id, transfer_id=transfer_id, **key), amount),
    )


def test_workers_that_create_the_same_accounts_all_succeed(stand, workers):
    """Whoever is second sees the account when its batch is tried again; nobody's messages are lost."""
    accounts = range(2000, 2030)

    def create(worker: Stand, number: int) -> None:
        order = accounts if number % 2 else reversed(accounts)
        for creditor_id in order:
            worker.insist(configure(creditor_id, seqnum=number, negligible_amount=float(number)))

    with in_parallel(*(lambda w=w, n=n: create(w, n) for n, w in enumerate(workers))):
        pass
    found = stand.rows("SELECT creditor_id, last_config_seqnum, negligible_amount FROM account ORDER BY 1")
    assert found == [(creditor_id, WORKERS - 1, float(WORKERS - 1)) for creditor_id in accounts]


def test_the_second_creator_of_an_account_is_told_to_try_again(stand, workers):
    """The race is a conflict between transactions, and not the fault of a message."""
    first, second = workers[:2]
    with locking(stand.postgres_url, LOCK_OUTBOX) as lock, ThreadPoolExecutor(2) as pool:
        one = pool.submit(first.apply, configure(ALICE))
        wait_until_blocked(stand, 1)
        two = pool.submit(second.apply, configure(BOB), configure(ALICE, seqnum=1))
        wait_until_blocked(stand, 2)
        lock.rollback()
        one.result()
        with pytest.raises(BatchConflictError):
            two.result()
    second.apply(configure(BOB), configure(ALICE, seqnum=1))
    assert stand.rows("SELECT creditor_id, last_config_seqnum FROM account ORDER BY 1") == [
        (ALICE, 1),
        (BOB, 0),
    ]


def test_the_second_creator_by_a_credit_is_told_to_try_again(stand, workers):
    """An account that its first credit creates is created once, with all of the money."""
    stand.apply(*issue(ALICE, 100))
    stand.apply(request(ROOT, BOB, coordinator_request_id=8), request(ALICE, BOB, coordinator_request_id=9))
    assert [type(event) for event in stand.events()[-2:]] == [RejectedTransfer, RejectedTransfer]
    # Nobody can prepare a transfer to an account that does not exist; but it can vanish meanwhile.
    stand.apply(configure(BOB))
    stand.apply(request(ALICE, BOB), request(ROOT, BOB))
    stand.execute("DELETE FROM account WHERE creditor_id = %s", BOB)
    first = finalize(prepared(ALICE, BOB), 10)
    other = finalize(prepared(ROOT, BOB, transfer_id=FIRST_TRANSFER_ID + 1), 20)
    with in_parallel(lambda: workers[0].insist(first), lambda: workers[1].insist(other)):
        pass
    assert stand.account(BOB).principal == 30
    assert stand.value("SELECT sum(principal) FROM account") == 0


def test_a_hot_recipient_gets_every_transfer(stand, workers):
    """Many senders and one recipient: exact principals, and a chain without gaps."""
    senders = range(3000, 3000 + WORKERS)
    stand.apply(configure(ROOT, negligible_amount=1e30), configure(BOB))
    for number, sender_id in enumerate(senders):
        stand.apply(configure(sender_id), *issue(sender_id, 1000, number + 1)[2:])

    def pay(worker: Stand, sender_id: int) -> None:
        for serial in range(20):
            worker.insist(*transfer(sender_id, BOB, serial, FIRST_TRANSFER_ID + serial, serial + 1))

    with in_parallel(*(lambda w=w, s=s: pay(w, s) for w, s in zip(workers, senders, strict=True))):
        pass
    assert stand.account(BOB).principal == WORKERS * 210
    chain = stand.rows(
        "SELECT recipient_transfer_number, amount, recipient_principal FROM journal"
        " WHERE recipient_creditor_id = %s ORDER BY 1",
        BOB,
    )
    assert [number for number, _, _ in chain] == list(range(1, WORKERS * 20 + 1))
    principal = 0
    for _, amount, after in chain:
        principal += amount
        assert after == principal
    assert sum(worker.conflicts for worker in workers) == 0


def test_opposite_transfers_do_not_block_each_other_for_ever(stand, workers):
    """Accounts are locked in the order of their keys: there is no deadlock to be resolved (rule S2)."""
    seed(stand)
    stand.apply(*issue(BOB, 1000, 2)[2:])
    parties = [(ALICE, BOB), (BOB, ALICE)] * (WORKERS // 2)

    def pay(worker: Stand, number: int) -> None:
        sender_id, recipient_id = parties[number]
        for turn in range(15):
            serial = 1000 * number + turn
            worker.insist(request(sender_id, recipient_id, coordinator_request_id=serial))
            transfer_id = worker.value(
                "SELECT transfer_id FROM prepared_transfer"
                " WHERE coordinator_request_id = %s AND creditor_id = %s",
                serial,
                sender_id,
            )
            # Both directions in one batch as well: a request the other way, which is left prepared.
            worker.insist(
                finalize(
                    prepared(
                        sender_id,
                        recipient_id,
                        transfer_id=transfer_id,
                        coordinator_request_id=serial,
                    ),
                    1 + number,
                ),
                request(recipient_id, sender_id, coordinator_request_id=-serial - 1, max_locked_amount=1),
            )

    with in_parallel(*(lambda w=w, n=n: pay(w, n) for n, w in enumerate(workers))):
        pass
    assert sum(worker.conflicts for worker in workers) == 0
    # ALICE has paid 1 and 3, BOB 2 and 4, fifteen times each.
    assert stand.account(ALICE).principal == 1000 - 60 + 90
    assert stand.account(BOB).principal == 1000 + 60 - 90
    assert stand.account(ALICE).pending_transfers_count == 2 * 15
    stand.execute("DELETE FROM outbox")
    stand.execute("UPDATE account SET update_pending_since = 0; DELETE FROM account_update_due")
    assert find_violations(stand.postgres_url) == []


def test_the_same_batch_in_all_workers_is_applied_once(stand, workers):
    """Duplicates that arrive at the same time make one lock, and one movement of money."""
    seed(stand)
    for serial in range(10):
        message = request(coordinator_request_id=serial)
        with in_parallel(*(lambda w=w, m=message: w.insist(m) for w in workers)):
            pass
        commit = transfer(ALICE, BOB, serial, FIRST_TRANSFER_ID + serial, 5)[1]
        with in_parallel(*(lambda w=w, m=commit: w.insist(m) for w in workers)):
            pass
    assert stand.account(BOB).principal == 50
    assert stand.count("prepared_transfer") == 0
    assert stand.account(ALICE).last_transfer_id == FIRST_TRANSFER_ID + 9


def test_money_is_counted_under_the_lock(stand, workers):
    """Of two requests that wait for the same account, only one gets money that is there once."""
    seed(stand, 1000)
    asked = {"min_locked_amount": 800, "max_locked_amount": 800}
    with (
        locking(stand.postgres_url, LOCK_ALICE) as lock,
        in_parallel(
            lambda: workers[0].apply(request(coordinator_request_id=1, **asked)),
            lambda: workers[1].apply(request(coordinator_request_id=2, **asked)),
        ),
    ):
        wait_until_blocked(stand, 2)
        lock.rollback()
    answers = {type(event) for event in stand.events()}
    assert answers == {PreparedTransfer, RejectedTransfer}
    assert stand.account(ALICE).total_locked_amount == 800


def test_a_guessed_finalization_comes_before_the_transfer_or_after_it(stand, workers):
    """Who finalizes a transfer before it is announced may be too early; the transfer waits on."""
    seed(stand)
    batch = configure(ALICE, seqnum=3), finalize(prepared(BOB, ALICE, coordinator_id=BOB), 7)
    with locking(stand.postgres_url, LOCK_ALICE) as lock, ThreadPoolExecutor(1) as pool:
        applied = pool.submit(lambda: workers[0].apply(*batch))
        wait_until_blocked(stand)
        # The other worker prepares the transfer that this one has looked for already.
        workers[1].apply(*issue(BOB, 100, 2)[2:], request(BOB, ALICE))
        lock.rollback()
        assert applied.result().ignored == {("FinalizeTransfer", "F1"): 1}
    assert stand.account(BOB).total_locked_amount > 0
    workers[0].apply(*batch)
    assert stand.account(ALICE).principal == 1007
    assert stand.account(BOB).principal == 93


def test_a_transfer_that_is_finalized_while_a_batch_waits_is_gone(stand, workers):
    """Who comes second is told to try again, and then finds nothing to finalize."""
    seed(stand)
    stand.apply(request())
    message = finalize(prepared(), 7)
    with (
        locking(stand.postgres_url, LOCK_ALICE) as lock,
        in_parallel(lambda: workers[0].insist(message), lambda: workers[1].insist(message)) as applied,
    ):
        wait_until_blocked(stand, 2)
        lock.rollback()
    assert sorted(len(one.result().ignored) for one in applied) == [0, 1]
    assert workers[0].conflicts + workers[1].conflicts == 1
    assert stand.account(BOB).principal == 7


def test_a_transfer_that_ends_while_its_request_is_repeated_is_announced_only_once(stand, workers):
    """A batch that has read the transfer before another worker finalized it answers nothing from memory."""
    seed(stand)
    stand.apply(request())
    # The finalization of somebody else makes the batch read the transfer before its locks.
    strange = finalize(prepared(coordinator_request_id=77), 7)
    with locking(stand.postgres_url, LOCK_ALICE) as lock, ThreadPoolExecutor(2) as pool:
        first = pool.submit(workers[0].apply, finalize(prepared(), 7))
        wait_until_blocked(stand)
        second = pool.submit(workers[1].apply, request(), strange)
        wait_until_blocked(stand, 2)
        lock.rollback()
        assert not first.result().ignored
        with pytest.raises(BatchConflictError):
            second.result()
    workers[1].apply(request())
    assert stand.value("SELECT max(transfer_id) - min(transfer_id) FROM prepared_transfer") == 0
    assert stand.account(BOB).principal == 7


def test_the_sender_of_a_transfer_that_has_ended_may_be_gone(stand, workers):
    """The account is purged between the two looks: its transfers have ended, the message is too late."""
    seed(stand)
    stand.apply(request())
    with locking(stand.postgres_url, LOCK_ALICE) as lock, ThreadPoolExecutor(1) as pool:
        second = pool.submit(workers[1].apply, finalize(prepared(), 7))
        wait_until_blocked(stand)
        with lock.cursor() as cursor:
            cursor.execute("DELETE FROM prepared_transfer")
            cursor.execute("DELETE FROM account WHERE creditor_id = %s", [ALICE])
        lock.commit()
        assert second.result().ignored == {("FinalizeTransfer", "F1"): 1}


def test_a_transfer_without_a_sender_stops_nobody(stand):
    """Such a row breaks a promise, which `verify` reports; messages that name it are ignored, none waits."""
    seed(stand)
    stand.apply(request())
    stand.execute("DELETE FROM account WHERE creditor_id = %s", ALICE)
    assert stand.apply(finalize(prepared(), 7)).ignored == {("FinalizeTransfer", "F1"): 1}
    stand.apply(request(), configure(ALICE))
    assert stand.count("account") == 3


def test_a_configuration_that_waits_meets_the_newest_account(stand, workers):
    """The order key is compared under the lock: the older configuration is ignored although it came first."""
    seed(stand)
    with locking(stand.postgres_url, LOCK_ALICE) as lock, ThreadPoolExecutor(1) as pool:
        older = pool.submit(workers[0].apply, configure(ALICE, seqnum=5))
        wait_until_blocked(stand)
        lock.cursor().execute("UPDATE account SET last_config_seqnum = 6 WHERE creditor_id = %s", [ALICE])
        lock.commit()
        assert older.result().ignored == {("ConfigureAccount", "C1"): 1}
    assert stand.account(ALICE).last_config_seqnum == 6


def test_the_moment_is_read_after_the_locks(stand, workers):
    """S3: a batch that has waited is dated when it could go on, so that time never runs backwards."""
    seed(stand)
    worker = workers[0]
    worker.replace(clock=clock.utcnow)
    with (
        locking(stand.postgres_url, LOCK_ALICE) as lock,
        in_parallel(lambda: worker.apply(configure(ALICE, seqnum=3))),
    ):
        wait_until_blocked(stand)
        released_at = clock.utcnow()
        lock.rollback()
    changed: Account = stand.account(ALICE)
    assert changed.last_config_applied_at >= released_at


def test_a_debtor_info_is_registered_once(stand, workers):
    """Two workers that meet a new information document at the same time use the same row."""
    info = '{"type":"RootConfigData","info":{"iri":"https://example.com/","contentType":"text/html"}}'
    stand.apply(configure(ROOT, config_data=info))
    with (
        locking(stand.postgres_url, LOCK_OUTBOX) as lock,
        in_parallel(lambda: workers[0].insist(configure(ALICE)), lambda: workers[1].insist(configure(BOB))),
    ):
        wait_until_blocked(stand, 2)
        lock.rollback()
    assert stand.count("debtor_info") == 1
    expected = DebtorInfo("https://example.com/", "text/html", "")
    assert stand.account(ALICE).debtor_info == stand.account(BOB).debtor_info == expected
    assert workers[0].conflicts + workers[1].conflicts == 1


def test_readers_do_not_wait(stand, workers):
    """A request from another sender to a locked recipient is answered at once: nothing changes there."""
    seed(stand)
    stand.apply(*issue(4000, 100, 2))
    with locking(stand.postgres_url, f"SELECT 1 FROM account WHERE creditor_id = {BOB} FOR NO KEY UPDATE"):
        # Nobody frees the lock before the end of this block.
        workers[0].apply(request(4000, BOB))
    assert stand.value("SELECT recipient_creditor_id FROM prepared_transfer") == BOB
    assert stand.account(4000, DEBTOR).pending_transfers_count == 1
