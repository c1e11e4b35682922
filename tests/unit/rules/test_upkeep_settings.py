"""How the settings of a currency reach its accounts (rules.md#settings-of-a-currency)."""

import math

import msgspec
import pytest

from swpt_accounts.events import AccountUpdate, RejectedTransfer
from swpt_accounts.rules.accounts import Account, settings_changes
from swpt_accounts.rules.balances import accumulated_interest
from swpt_accounts.rules.book import Book
from swpt_accounts.rules.currency import Currency, CurrencySettings, DebtorInfo
from swpt_accounts.rules.upkeep import apply_settings, tend
from swpt_accounts.wire.moments import T0
from tests.backstage.builders import (
    ALICE,
    BOB,
    DAY,
    DEBTOR,
    HOUR,
    NOW,
    PERIODS,
    POLICY,
    ROOT,
    account,
    applied,
    batch,
    configure,
    deleted,
    emitted,
    finalize,
    only,
    owner,
    prepared,
    request,
    rich,
    root,
    text,
    with_locks,
)
from tests.backstage.builders import MICROSECOND as MICRO

KEY = DEBTOR, ALICE
SHA256 = "AB" * 32
UNREADABLE = Currency("nonsense", None)


def settled(before: Account, settings: CurrencySettings | None, **options) -> tuple[Book, bool]:
    """The book after the settings were applied to an account, and whether they changed anything."""
    book = batch(before, **options)
    if settings is not None:
        book.currencies[DEBTOR] = Currency("", settings)
    return book, apply_settings(book, (DEBTOR, before.creditor_id))


def with_rate(rate: float) -> CurrencySettings:
    """Settings that name a rate and nothing else."""
    return CurrencySettings(interest_rate=rate)


# -- rate (rules.md#rate-and-info-of-an-account) -----------------------------------------------


@pytest.mark.parametrize(
    ("before", "target", "rate"),
    [
        pytest.param(account(), 5.0, 5.0, id="R7: the first change is always allowed"),
        pytest.param(account(interest_rate=5.0), 0.0, 0.0, id="R7: back to nothing"),
        pytest.param(root(), 5.0, None, id="R1: the root account"),
        pytest.param(deleted(), 5.0, None, id="R1: a deleted account"),
        pytest.param(account(), math.nan, None, id="R3: not a number"),
        pytest.param(account(), math.inf, None, id="R3: infinite"),
        pytest.param(account(), -math.inf, None, id="R3: minus infinite"),
        pytest.param(account(), 1e308, 100.0, id="R4: a huge rate is cut"),
        pytest.param(account(), -1e308, -50.0, id="R4: a hugely negative rate is cut"),
        pytest.param(account(interest_rate=100.0), 250.0, None, id="R5: cut to the rate that it has"),
        pytest.param(account(interest_rate=3.567891234), 3.567891234, None, id="R5: kept as given"),
        pytest.param(account(interest_rate=0.0), -0.0, None, id="R5: minus zero is zero"),
        pytest.param(account(interest_rate=0.1), 0.1 + 1e-18, None, id="R5: the same binary64"),
        pytest.param(
            account(interest_rate=0.1), math.nextafter(0.1, 1), math.nextafter(0.1, 1), id="R7: next"
        ),
        pytest.param(
            account(last_interest_rate_change_ts=NOW - 8 * DAY + MICRO), 5.0, None, id="R6: not quite"
        ),
        pytest.param(account(last_interest_rate_change_ts=NOW - 8 * DAY), 5.0, 5.0, id="R6: just 8 days"),
        pytest.param(
            account(last_interest_rate_change_ts=NOW + HOUR), 5.0, None, id="R6: the clock was set back"
        ),
    ],
)
def test_a_rate_changes_by_the_ladder(before: Account, target: float, rate: float | None):
    """Each rule decides at its boundary (behaviours 54 and 91).

    R2 is about settings that were kept for a while, and here they are read in the step that applies them.
    """
    book, did = settled(before, with_rate(target))
    assert did is (rate is not None)
    after = owner(book, before.creditor_id)
    if rate is None:
        assert after is before
        assert book.events == []
        return
    assert (after.interest_rate, after.previous_interest_rate) == (rate, before.interest_rate)
    assert after.last_interest_rate_change_ts == NOW
    update = only(emitted(book, AccountUpdate))
    assert (update.interest_rate, update.last_interest_rate_change_ts) == (rate, text(NOW))
    assert update.last_change_seqnum == 2


def test_without_a_root_account_there_are_no_settings():
    """An account keeps what it has, whatever that is (rules.md#settings-of-a-currency)."""
    book, did = settled(account(interest_rate=7.5, debtor_info=DebtorInfo("x")), None)
    assert not did
    assert book.events == []


def test_interest_is_brought_up_to_date_with_the_old_rate():
    """The new rate works from its own moment on (S5)."""
    before = rich(10**6, interest_rate=10.0, last_change_ts=NOW - 30 * DAY)
    book, _ = settled(before, with_rate(-50.0))
    expected = accumulated_interest(10**6, 0.0, 10.0, NOW - 30 * DAY, NOW)
    assert owner(book, ALICE).interest == only(emitted(book, AccountUpdate)).interest == expected > 7000


def test_a_put_off_rate_is_applied_when_its_time_has_come():
    """Visit after visit changes nothing, until the eight days are over (behaviour 54)."""
    book, _ = settled(account(), with_rate(5.0))
    changed = owner(book, ALICE)
    moments = [NOW + hours * HOUR for hours in range(1, 9 * 24)]
    applied_at = next(now for now in moments if settled(changed, with_rate(6.0), now=now)[1])
    assert applied_at == NOW + 8 * DAY


def test_a_rate_is_not_changed_again_by_itself():
    """However often the settings are applied, last_interest_rate_change_ts stays (behaviour 91)."""
    rate = 3.567891234
    book, _ = settled(account(), with_rate(rate))
    for days in range(1, 100):
        book, did = settled(owner(book, ALICE), with_rate(rate), now=NOW + days * DAY)
        assert not did
    assert owner(book, ALICE).last_interest_rate_change_ts == NOW


# -- info --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("info", "is_changed"),
    [
        (DebtorInfo("https://x", "text/plain", SHA256), False),
        (DebtorInfo("https://y", "text/plain", SHA256), True),
        (DebtorInfo("https://x", "text/html", SHA256), True),
        (DebtorInfo("https://x", "text/plain", ""), True),
        (DebtorInfo(), True),
    ],
)
def test_info_is_replaced_if_any_part_differs(info, is_changed):
    """Rate and info are one number and one AccountUpdate; the same info is silent (behaviour 55)."""
    before = account(debtor_info=DebtorInfo("https://x", "text/plain", SHA256))
    book, did = settled(before, CurrencySettings(debtor_info=info))
    assert did is is_changed
    assert owner(book, ALICE).debtor_info == info
    if is_changed:
        update = only(emitted(book, AccountUpdate))
        assert (update.debtor_info_iri, update.debtor_info_content_type) == (info.iri, info.content_type)
        assert (update.debtor_info_sha256, update.last_change_seqnum) == (info.sha256, 2)


def test_info_needs_no_interval():
    """It changes at once, while the rate beside it is put off (R6)."""
    before = account(interest_rate=1.0, last_interest_rate_change_ts=NOW - DAY)
    book, did = settled(before, CurrencySettings(interest_rate=2.0, debtor_info=DebtorInfo("x")))
    assert did
    update = only(emitted(book, AccountUpdate))
    assert (update.interest_rate, update.debtor_info_iri) == (1.0, "x")
    assert owner(book, ALICE).last_interest_rate_change_ts == NOW - DAY


def test_rate_and_info_are_announced_together():
    """One number, one AccountUpdate (behaviour 97)."""
    book, _ = settled(account(), CurrencySettings(interest_rate=2.0, debtor_info=DebtorInfo("x")))
    update = only(emitted(book, AccountUpdate))
    assert (update.interest_rate, update.debtor_info_iri, update.last_change_seqnum) == (2.0, "x", 2)


def test_a_rate_that_is_no_number_does_not_hinder_info():
    """R3 is about the rate only."""
    book, did = settled(account(), CurrencySettings(interest_rate=math.nan, debtor_info=DebtorInfo("x")))
    assert did
    assert owner(book, ALICE).interest_rate == 0.0


# -- new accounts (rules.md#new-and-revived-accounts) ------------------------------------------


@pytest.mark.parametrize(
    ("config_data", "rate", "changed_at"), [('{"rate":3.567}', 3.567, NOW), ("", 0.0, T0)]
)
def test_a_new_account_starts_with_the_settings_of_its_currency(config_data, rate, changed_at):
    """One AccountUpdate, number 1, shows them; with rate 0 nothing has changed (behaviour 8)."""
    book = applied(batch(root(), root_config=config_data), configure())
    update = only(emitted(book, AccountUpdate))
    assert (update.interest_rate, update.last_interest_rate_change_ts) == (rate, text(changed_at))
    assert update.last_change_seqnum == 1
    assert owner(book, ALICE).previous_interest_rate == 0.0


# -- settings that can not be read any more ----------------------------------------------------


def test_unreadable_settings_leave_accounts_as_they_are():
    """Old and new accounts go on without them, and the root account shows what is stored."""
    book = batch(root(last_update_ts=NOW - 8 * DAY), account(interest_rate=5.0))
    book.currencies[DEBTOR] = UNREADABLE
    assert not tend(book, KEY, PERIODS)
    assert tend(book, (DEBTOR, ROOT), PERIODS)
    applied(book, configure(BOB))
    updates = emitted(book, AccountUpdate)
    assert [(u.creditor_id, u.config_data, u.interest_rate) for u in updates] == [
        (ROOT, "nonsense", 0.0),
        (BOB, "", 0.0),
    ]


def test_unreadable_settings_permit_no_new_money():
    """Who can not read the limit issues nothing, until it is configured anew; locked money may go."""
    transfer = prepared(ROOT, ALICE, coordinator_type="issuing", coordinator_id=DEBTOR)
    book = batch(with_locks(root(), transfer), account(), prepared=[transfer])
    book.currencies[DEBTOR] = UNREADABLE
    issuing = request(ROOT, ALICE, coordinator_type="issuing", coordinator_id=DEBTOR, min_locked_amount=1)
    again = msgspec.structs.replace(issuing, coordinator_request_id=2)
    applied(book, again, finalize(transfer, 100))
    assert only(emitted(book, RejectedTransfer)).status_code == "INSUFFICIENT_AVAILABLE_AMOUNT"
    assert owner(book, ALICE).principal == 100
    applied(book, configure(ROOT, negligible_amount=1e30, config_data='{"limit":300}'))
    applied(book, msgspec.structs.replace(issuing, coordinator_request_id=3))
    assert len(emitted(book, RejectedTransfer)) == 1


def test_settings_are_no_business_of_root_and_deleted_accounts():
    """`settings_changes` names nothing for them (R1, V7)."""
    settings = CurrencySettings(interest_rate=5.0, debtor_info=DebtorInfo("x"))
    assert settings_changes(root(), settings, POLICY, NOW) == {}
    assert settings_changes(deleted(), settings, POLICY, NOW) == {}
