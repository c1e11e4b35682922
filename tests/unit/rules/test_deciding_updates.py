"""Numbers by event, and the sealing of announced states (S4 to S7, rules.md#announcements)."""

import pytest

from swpt_accounts.events import AccountUpdate
from swpt_accounts.rules.accounts import Account
from swpt_accounts.rules.currency import DebtorInfo
from swpt_accounts.rules.policy import Policy
from swpt_accounts.wire.messages import Message
from swpt_accounts.wire.moments import T0
from tests.backstage.builders import (
    ALICE,
    BOB,
    DAY,
    DEBTOR,
    FIRST_TRANSFER_ID,
    NOW,
    ROOT,
    account,
    applied,
    batch,
    configure,
    credit,
    day_of,
    deleted,
    emitted,
    finalize,
    kinds,
    only,
    owner,
    prepared,
    request,
    rich,
    text,
    with_locks,
)

TRANSFER = prepared()
SENDER = with_locks(rich(100), TRANSFER)

NONE, PENDING, AT_ONCE = "none", "pending", "at once"


# Which steps of ALICE's account take how many numbers, and when they are announced:
# rules.md#numbers-by-event.
@pytest.mark.parametrize(
    ("before", "messages", "numbers", "update"),
    [
        pytest.param(None, [configure()], 1, AT_ONCE, id="created by configuration"),
        pytest.param(None, [credit(ALICE, other_creditor_id=BOB)], 1, AT_ONCE, id="created by a credit"),
        pytest.param(account(), [configure()], 1, AT_ONCE, id="configuration"),
        pytest.param(account(), [configure(), configure()], 1, AT_ONCE, id="repeated configuration"),
        pytest.param(account(), [configure(config_data="x")], 0, NONE, id="rejected configuration"),
        pytest.param(account(), [configure(ts=T0)], 0, NONE, id="old configuration"),
        pytest.param(deleted(), [configure()], 1, AT_ONCE, id="revival by configuration"),
        pytest.param(deleted(), [credit(ALICE, other_creditor_id=BOB)], 1, AT_ONCE, id="revival by a credit"),
        pytest.param(account(), [credit(ALICE, other_creditor_id=BOB)], 1, PENDING, id="credit"),
        pytest.param(SENDER, [finalize(TRANSFER, 100)], 1, PENDING, id="commit"),
        pytest.param(SENDER, [finalize(TRANSFER, 0)], 0, NONE, id="dismissal"),
        pytest.param(SENDER, [finalize(TRANSFER, 101)], 0, NONE, id="failed commit"),
        pytest.param(SENDER, [request()], 0, NONE, id="repeated preparation"),
        pytest.param(SENDER, [request(coordinator_request_id=2)], 0, NONE, id="preparation"),
        pytest.param(account(), [request(min_locked_amount=1)], 0, NONE, id="rejected preparation"),
    ],
)
def test_each_event_takes_its_numbers_and_is_announced_in_its_way(
    before: Account | None, messages: list[Message], numbers: int, update: str
):
    """Meaningful changes take one number, everything else none (behaviours 23, 24 and 96)."""
    owners = [account(BOB)] if before is None else [before, account(BOB)]
    book = applied(batch(*owners, prepared=[TRANSFER] if before is SENDER else []), *messages)
    after = owner(book, ALICE)
    assert after.last_change_seqnum == (before.last_change_seqnum if before else 0) + numbers
    assert after.update_pending_since == (NOW if update == PENDING else T0)
    announced = [event for event in emitted(book, AccountUpdate) if event.creditor_id == ALICE]
    assert len(announced) == (update == AT_ONCE)


def test_a_change_after_an_announcement_takes_a_new_number():
    """What was announced is sealed, also within one batch (S7, behaviour 80)."""
    book = applied(
        batch(SENDER, account(BOB), prepared=[TRANSFER]),
        configure(),
        finalize(TRANSFER, 100),
    )
    update = only(emitted(book, AccountUpdate))
    after = owner(book, ALICE)
    assert (update.last_change_seqnum, update.principal) == (2, 100)
    assert (after.last_change_seqnum, after.principal) == (3, 0)
    assert after.update_pending_since == NOW


def test_a_change_before_an_announcement_is_shown_by_it():
    """The update at once shows the transfer too, and nothing stays pending (S6)."""
    book = applied(
        batch(SENDER, account(BOB), prepared=[TRANSFER]),
        finalize(TRANSFER, 100),
        configure(),
    )
    update = only(emitted(book, AccountUpdate))
    assert (update.principal, update.last_transfer_number) == (0, 1)
    assert update.last_change_seqnum == owner(book, ALICE).last_change_seqnum
    assert owner(book, ALICE).update_pending_since == T0


def test_no_two_states_of_a_batch_share_a_number():
    """However configurations and credits alternate, equal triples mean equal contents (behaviour 80)."""
    book = batch(account(BOB))
    for n in range(10):
        applied(book, credit(change_id=n), configure(BOB, seqnum=n + 1, config_flags=2 * n))
    updates = emitted(book, AccountUpdate)
    assert len(updates) == 10
    assert len({(update.last_change_ts, update.last_change_seqnum) for update in updates}) == 10
    numbers = [update.last_change_seqnum for update in updates]
    assert numbers == sorted(numbers)
    assert owner(book, BOB).last_change_seqnum == numbers[-1]


def test_an_update_shows_the_whole_state_of_its_account():
    """Every field of the account stands in it, and the promises of the server.

    See rules.md#content-of-accountupdate; its ts is the moment of the step (rule O10).
    """
    before = account(
        -5,
        created_at=NOW - 2 * DAY,
        principal=-3,
        interest=-0.25,
        interest_rate=-1.5,
        last_interest_rate_change_ts=NOW - DAY,
        last_transfer_number=17,
        last_transfer_committed_at=NOW - 3,
        last_change_seqnum=2**31 - 1,
        last_change_ts=NOW - DAY,
        debtor_info=DebtorInfo(iri="iri", content_type="type", sha256="AB" * 32),
    )
    policy = Policy(
        commit_period_seconds=2**31 - 1, transfer_note_max_bytes=0, account_update_ttl_seconds=86400
    )
    message = configure(-5, negligible_amount=0.5, config_flags=2**31 - 1, ts=NOW - 1, seqnum=-7)
    assert only(applied(batch(before, policy=policy), message).events) == AccountUpdate(
        debtor_id=DEBTOR,
        creditor_id=-5,
        creation_date=day_of(NOW - 2 * DAY),
        last_change_ts=text(NOW),
        last_change_seqnum=-(2**31),
        principal=-3,
        interest=-0.25,
        interest_rate=-1.5,
        last_interest_rate_change_ts=text(NOW - DAY),
        last_config_ts=text(NOW - 1),
        last_config_seqnum=-7,
        negligible_amount=0.5,
        config_flags=2**31 - 1,
        config_data="",
        account_id="18446744073709551611",
        debtor_info_iri="iri",
        debtor_info_content_type="type",
        debtor_info_sha256="AB" * 32,
        last_transfer_number=17,
        last_transfer_committed_at=text(NOW - 3),
        demurrage_rate=-50.0,
        commit_period=2**31 - 1,
        transfer_note_max_bytes=0,
        ts=text(NOW),
        ttl=86400,
    )


def test_an_announcement_remembers_which_promises_it_showed():
    """The version of the server's settings is noted with the account (behaviour 111)."""
    book = applied(batch(account(), policy=Policy(settings_version=9)), configure())
    assert owner(book, ALICE).announced_settings == 9


def test_a_batch_names_what_has_to_be_stored():
    """Changed accounts come with their old state, created ones in key order."""
    transfer = prepared(recipient_creditor_id=ROOT)
    before = with_locks(rich(100), transfer)
    book = batch(before, account(BOB), prepared=[transfer])
    applied(book, finalize(transfer, 5), configure(9), configure(-9))
    assert book.changed_accounts() == [(before, owner(book, ALICE))]
    assert [created.creditor_id for created in book.created_accounts()] == [-9, ROOT, 9]
    assert kinds(book).count("AccountUpdate") == 3
    assert book.new_transfers == {}
    assert book.removed_transfers == [(DEBTOR, ALICE, FIRST_TRANSFER_ID)]
