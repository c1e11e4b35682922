"""Configurations in a batch: who is created or revived, what is announced (rules.md#configurations)."""

import pytest

from swpt_accounts.events import AccountUpdate, PreparedTransfer, RejectedConfig, RejectedTransfer
from swpt_accounts.rules.accounts import replace
from swpt_accounts.wire.codes import RECIPIENT_IS_UNREACHABLE
from swpt_accounts.wire.moments import T0, T_FAR
from swpt_accounts.wire.numbers import MAX_INT64, MIN_INT64
from tests.backstage.builders import (
    ALICE,
    BOB,
    DAY,
    DEBTOR,
    HOUR,
    MICROSECOND,
    NOW,
    ROOT,
    account,
    applied,
    batch,
    configure,
    day_of,
    deleted,
    emitted,
    kinds,
    only,
    owner,
    request,
    rich,
    root,
    text,
)

NO_INFO = {"debtor_info_iri": "", "debtor_info_content_type": "", "debtor_info_sha256": ""}
SHA256 = "0123456789ABCDEF" * 4


def test_a_new_account_without_a_currency_announces_itself_once():
    """Its only AccountUpdate has number 1 and nothing but defaults (behaviour 1)."""
    book = applied(batch(), configure())
    assert only(book.events) == AccountUpdate(
        debtor_id=DEBTOR,
        creditor_id=ALICE,
        creation_date=day_of(NOW),
        last_change_ts=text(NOW),
        last_change_seqnum=1,
        principal=0,
        interest=0.0,
        interest_rate=0.0,
        last_interest_rate_change_ts=text(T0),
        last_config_ts=text(NOW),
        last_config_seqnum=0,
        negligible_amount=0.0,
        config_flags=0,
        config_data="",
        account_id="1001",
        last_transfer_number=0,
        last_transfer_committed_at=text(T0),
        demurrage_rate=-50.0,
        commit_period=7776000,
        transfer_note_max_bytes=500,
        ts=text(NOW),
        ttl=604800,
        **NO_INFO,
    )
    assert book.created_accounts() == [owner(book, ALICE)]
    assert book.changed_accounts() == []


@pytest.mark.parametrize(
    ("creditor_id", "account_id"),
    [(MAX_INT64, "9223372036854775807"), (MIN_INT64, "9223372036854775808"), (-1, "18446744073709551615")],
)
def test_extreme_creditor_ids_have_unsigned_identifiers(creditor_id, account_id):
    """The identifier of an account is its creditor id, read as an unsigned number (behaviour 110)."""
    book = applied(batch(), configure(creditor_id, config_flags=-(2**31)))
    update = only(emitted(book, AccountUpdate))
    assert (update.account_id, update.config_flags) == (account_id, -(2**31))


def test_the_same_configuration_again_is_ignored():
    """A repetition says nothing; the next number is another change (behaviour 2)."""
    book = applied(batch(), configure(), configure(), configure(seqnum=1))
    assert [update.last_change_seqnum for update in emitted(book, AccountUpdate)] == [1, 2]
    assert book.ignored == [("ConfigureAccount", "C1")]


def test_configurations_of_one_batch_keep_their_own_numbers():
    """Every applied configuration is announced with a number of its own (S7)."""
    book = applied(batch(account()), *(configure(config_flags=2**n, seqnum=n) for n in range(1, 6)))
    updates = emitted(book, AccountUpdate)
    assert [update.last_change_seqnum for update in updates] == [2, 3, 4, 5, 6]
    assert [update.config_flags for update in updates] == [2, 4, 8, 16, 32]


def test_an_old_configuration_creates_nothing():
    """Nothing at all happens (behaviour 5)."""
    book = applied(batch(), configure(ts=NOW - 8 * DAY), configure(BOB, ts=NOW - 8 * DAY, config_data="x"))
    assert (book.events, book.accounts) == ([], {})
    assert book.ignored == [("ConfigureAccount", "C2")] * 2


@pytest.mark.parametrize("existing", [None, account(), deleted()])
def test_an_invalid_configuration_is_rejected_and_changes_nothing(existing):
    """RejectedConfig echoes everything; no account is created or revived (behaviour 4)."""
    book = batch(existing) if existing else batch()
    message = configure(config_data="xxx", config_flags=-7, negligible_amount=0.1, ts=NOW - HOUR, seqnum=-5)
    assert only(applied(book, message).events) == RejectedConfig(
        debtor_id=DEBTOR,
        creditor_id=ALICE,
        config_ts=text(NOW - HOUR),
        config_seqnum=-5,
        config_flags=-7,
        negligible_amount=0.1,
        config_data="xxx",
        rejection_code="INVALID_CONFIGURATION",
        ts=text(NOW),
    )
    assert (book.created_accounts(), book.changed_accounts()) == ([], [])


def test_a_rejected_configuration_does_not_count():
    """A valid one with a moment between the applied and the rejected one is applied (behaviour 109)."""
    book = applied(
        batch(account(last_config_ts=NOW - HOUR)),
        configure(config_data="{}", ts=NOW),
        configure(config_flags=2, ts=NOW - MICROSECOND),
    )
    assert kinds(book) == ["RejectedConfig", "AccountUpdate"]
    assert owner(book, ALICE).last_config_ts == NOW - MICROSECOND


@pytest.mark.parametrize("config_data", ["{}", " ", '{"rate":1.0}'])
def test_only_the_root_account_may_have_config_data(config_data):
    """What is valid for the root is refused on ordinary accounts (behaviour 4)."""
    assert kinds(applied(batch(), configure(config_data=config_data))) == ["RejectedConfig"]


@pytest.mark.parametrize("amount", [123456789.125, 0.1, 9007199254740991.0, 1e300, 5e-324])
def test_a_negligible_amount_comes_back_exactly(amount):
    """No narrower type is anywhere on its way (behaviour 88)."""
    update = only(emitted(applied(batch(), configure(negligible_amount=amount)), AccountUpdate))
    assert update.negligible_amount == amount


def test_a_configuration_of_the_far_future_is_echoed():
    """The year 9999 is accepted, and freezes the configuration (behaviour 7)."""
    book = applied(batch(), configure(ts=T_FAR, seqnum=5), configure(ts=T_FAR, seqnum=5 + 2**31 - 1))
    first, second = emitted(book, AccountUpdate)
    assert (first.last_config_ts, first.ts) == ("9999-12-31T23:59:59+00:00", text(NOW))
    assert second.last_config_seqnum == 5 + 2**31 - 1


def test_a_configuration_shows_interest_up_to_its_moment():
    """Every numbered change brings interest up to date with it (S5)."""
    before = rich(1000, interest_rate=10.0, last_change_ts=NOW - 31557600 * 1_000_000)
    update = only(emitted(applied(batch(before), configure()), AccountUpdate))
    assert update.interest == pytest.approx(100.0, abs=1e-10)
    assert update.principal == 1000


# -- scheduled for deletion, deleted, revived --------------------------------------------------


def test_scheduling_for_deletion_closes_the_account_for_the_rest_of_the_batch():
    """The request behind the configuration already finds it closed, and open again (behaviours 21 and 49)."""
    book = batch(rich(), account(BOB))
    applied(
        book,
        request(coordinator_request_id=1),
        configure(BOB, config_flags=1),
        request(coordinator_request_id=2),
        configure(BOB, config_flags=0, seqnum=1),
        request(coordinator_request_id=3),
    )
    assert only(emitted(book, RejectedTransfer)).status_code == RECIPIENT_IS_UNREACHABLE
    assert only(emitted(book, RejectedTransfer)).coordinator_request_id == 2
    assert [event.coordinator_request_id for event in emitted(book, PreparedTransfer)] == [1, 3]


def test_an_account_that_is_created_in_a_batch_is_reachable_in_it():
    """Each step sees what the earlier ones of its batch did (S7)."""
    assert kinds(applied(batch(rich()), configure(BOB), request())) == ["AccountUpdate", "PreparedTransfer"]


def test_a_deleted_account_is_revived_by_a_newer_configuration():
    """Numbers, ids, creation and rate are kept; flags are the new ones (behaviour 52)."""
    before = deleted(
        created_at=NOW - 50 * DAY,
        last_change_seqnum=41,
        last_transfer_number=9,
        last_transfer_committed_at=NOW - 3 * DAY,
        interest_rate=5.0,
        last_interest_rate_change_ts=NOW - 40 * DAY,
    )
    book = applied(batch(before), configure(config_flags=0))
    update = only(emitted(book, AccountUpdate))
    assert update.creation_date == day_of(NOW - 50 * DAY)
    assert (update.last_change_seqnum, update.last_transfer_number) == (42, 9)
    assert (update.interest_rate, update.config_flags) == (5.0, 0)
    after = owner(book, ALICE)
    assert not after.is_deleted
    assert after == replace(
        before,
        is_deleted=False,
        config_flags=0,
        last_config_ts=NOW,
        last_config_applied_at=NOW,
        last_change_ts=NOW,
        last_change_seqnum=42,
        last_update_ts=NOW,
    )


def test_a_revived_account_takes_the_settings_of_today():
    """If the settings have changed while it was deleted, one update shows the new ones (behaviour 52)."""
    before = deleted(interest_rate=5.0, last_interest_rate_change_ts=NOW - 40 * DAY)
    book = applied(batch(before, root_config='{"rate":7}'), configure())
    update = only(emitted(book, AccountUpdate))
    assert (update.interest_rate, update.last_interest_rate_change_ts) == (7.0, text(NOW))
    assert owner(book, ALICE).previous_interest_rate == 5.0


def test_a_revived_account_waits_for_its_next_rate():
    """The minimum time between two rates holds across a revival."""
    before = deleted(interest_rate=5.0, last_interest_rate_change_ts=NOW - 7 * DAY)
    book = applied(batch(before, root_config='{"rate":7}'), configure())
    assert only(emitted(book, AccountUpdate)).interest_rate == 5.0


# -- settings of the currency (rules.md#new-and-revived-accounts) ------------------------------


def test_a_new_account_starts_with_the_settings_of_its_currency():
    """Rate and info stand in its first and only update (behaviour 8)."""
    info = f'{{"iri":"https://example.com/","contentType":"text/html","sha256":"{SHA256}"}}'
    book = applied(batch(root_config=f'{{"rate":3.567,"info":{info}}}'), configure())
    update = only(emitted(book, AccountUpdate))
    assert (update.interest_rate, update.last_interest_rate_change_ts) == (3.567, text(NOW))
    assert update.last_change_seqnum == 1
    assert update.debtor_info_iri == "https://example.com/"
    assert (update.debtor_info_content_type, update.debtor_info_sha256) == ("text/html", SHA256)
    assert owner(book, ALICE).previous_interest_rate == 0.0


def test_a_rate_of_zero_is_no_change_of_the_rate():
    """An account that starts with rate 0.0 has never had a change (behaviour 8)."""
    update = only(emitted(applied(batch(root_config='{"rate":0}'), configure()), AccountUpdate))
    assert update.last_interest_rate_change_ts == text(T0)


def test_accounts_that_exist_are_left_to_the_propagation():
    """An ordinary configuration does not apply the settings of the currency."""
    book = applied(batch(account(), root_config='{"rate":5}'), configure())
    assert only(emitted(book, AccountUpdate)).interest_rate == 0.0


def test_a_root_configuration_counts_for_the_rest_of_its_batch():
    """An account that is created behind it starts with the new rate."""
    book = applied(batch(), configure(BOB), configure(ROOT, config_data='{"rate":5.0}'), configure(ALICE))
    rates = {update.creditor_id: update.interest_rate for update in emitted(book, AccountUpdate)}
    assert rates == {BOB: 0.0, ROOT: 0.0, ALICE: 5.0}
    assert book.root_configurations == {DEBTOR: '{"rate":5.0}'}


@pytest.mark.parametrize("config_data", ["", "{}", ' {"rate": 3.567, "color": "red"} ', '{"limit":0}'])
def test_a_root_account_keeps_the_exact_text_of_its_settings(config_data):
    """The text is echoed as it was sent, and the rate of the root account stays 0.0 (behaviour 67)."""
    book = applied(batch(root(interest=3.0)), configure(ROOT, config_data=config_data))
    update = only(emitted(book, AccountUpdate))
    assert (update.config_data, update.interest_rate, update.interest) == (config_data, 0.0, 0.0)
    assert (update.debtor_info_iri, update.account_id) == ("", "0")
    assert book.root_configurations == {DEBTOR: config_data}


@pytest.mark.parametrize("config_data", ["[]", '{"rate":101}', '{"limit":1e3}', "xxx"])
def test_a_bad_root_configuration_leaves_the_settings_alone(config_data):
    """The settings of the currency stay, and nothing is propagated (behaviour 67)."""
    book = applied(
        batch(root(), root_config='{"rate":5.0}'),
        configure(ROOT, config_data=config_data),
        configure(ALICE),
    )
    assert kinds(book) == ["RejectedConfig", "AccountUpdate"]
    assert owner(book, ALICE).interest_rate == 5.0
    assert book.root_configurations == {}


def test_a_new_limit_counts_at_once():
    """The request behind the configuration meets the new limit each time (behaviours 27 and 107)."""
    book = batch(root(principal=-50), reachable=[ALICE])
    applied(
        book,
        configure(ROOT, negligible_amount=1e30, config_data='{"limit":100}'),
        request(ROOT, ALICE, min_locked_amount=51, max_locked_amount=51, coordinator_request_id=1),
        configure(ROOT, negligible_amount=1e30, config_data="", seqnum=1),
        request(ROOT, ALICE, min_locked_amount=51, max_locked_amount=51, coordinator_request_id=2),
    )
    assert kinds(book) == ["AccountUpdate", "RejectedTransfer", "AccountUpdate", "PreparedTransfer"]


def test_an_announcement_by_configuration_settles_a_pending_update():
    """What was pending is shown by the update at once (rules.md#balance-changes)."""
    before = account(update_pending_since=NOW - MICROSECOND, last_delayed_update_ts=NOW - DAY)
    after = owner(applied(batch(before), configure()), ALICE)
    assert (after.update_pending_since, after.last_update_ts) == (T0, NOW)
    assert after.last_delayed_update_ts == NOW - DAY


def test_an_update_is_never_dated_before_the_change_that_it_shows():
    """With a clock that was set back, ts follows last_change_ts (behaviour 80)."""
    book = applied(batch(account(last_change_ts=NOW + HOUR)), configure())
    update = only(emitted(book, AccountUpdate))
    assert (update.last_change_ts, update.ts) == (text(NOW + HOUR), text(NOW + HOUR))
    assert update.last_change_seqnum == 2
