"""Purge, and what comes after it: nothing that was announced before comes again.

See rules.md#purge.
"""

import msgspec
import pytest

from swpt_accounts.events import AccountPurge, AccountTransfer, AccountUpdate, PreparedTransfer, encode
from swpt_accounts.rules.accounts import Account
from swpt_accounts.rules.upkeep import purge, tend
from swpt_accounts.wire.moments import MICROSECONDS_PER_DAY, Moment
from tests.backstage.builders import (
    ALICE,
    BOB,
    DAY,
    DEBTOR,
    HOUR,
    NOW,
    PERIODS,
    ROOT,
    account,
    applied,
    batch,
    buried,
    configure,
    credit,
    day_of,
    emitted,
    only,
    owner,
    request,
    rich,
    scheduled,
    text,
)
from tests.backstage.builders import MICROSECOND as MICRO

KEY = DEBTOR, ALICE
MIDNIGHT = NOW - NOW % MICROSECONDS_PER_DAY


@pytest.mark.parametrize(
    ("before", "now", "is_purged"),
    [
        pytest.param(buried(), NOW, True, id="all conditions hold"),
        pytest.param(buried(is_deleted=False), NOW, False, id="G1: revived"),
        pytest.param(buried(last_change_ts=NOW - 106 * DAY), NOW, False, id="G2: just 106 days"),
        pytest.param(buried(last_change_ts=NOW - 106 * DAY - MICRO), NOW, True, id="G2: a bit more"),
        pytest.param(buried(last_change_ts=NOW + HOUR), NOW, False, id="G2: the clock was set back"),
        pytest.param(buried(created_at=MIDNIGHT - 3 * DAY), NOW, False, id="G3: created on that day"),
        pytest.param(buried(created_at=MIDNIGHT - 3 * DAY - MICRO), NOW, True, id="G3: on the day before"),
        pytest.param(
            buried(created_at=MIDNIGHT), MIDNIGHT + 4 * DAY - MICRO, False, id="G3: the last moment"
        ),
        pytest.param(buried(created_at=MIDNIGHT), MIDNIGHT + 4 * DAY, True, id="G3: midnight"),
    ],
)
def test_an_account_is_purged_when_all_conditions_hold(before: Account, now: Moment, is_purged: bool):
    """Each condition is checked exactly at its boundary (behaviour 57)."""
    book = batch(before, now=now)
    assert purge(book, KEY, PERIODS) is is_purged
    assert (KEY in book.accounts) is not is_purged
    assert book.purged_accounts == ([KEY] if is_purged else [])


def test_a_purge_is_announced_with_five_fields():
    """AccountPurge has exactly type, debtor_id, creditor_id, creation_date and ts (behaviour 69)."""
    book = batch(buried())
    assert purge(book, KEY, PERIODS)
    event = only(emitted(book, AccountPurge))
    assert msgspec.json.decode(encode(event)) == {
        "type": "AccountPurge",
        "debtor_id": DEBTOR,
        "creditor_id": ALICE,
        "creation_date": day_of(NOW - 108 * DAY),
        "ts": text(NOW),
    }
    assert book.changed_accounts() == []


@pytest.mark.parametrize("days", [0, 1, 400])
def test_an_account_that_is_created_again_has_a_later_date_and_fresh_ids(days):
    """Also at the earliest moment, and for accounts that were never older (rule G3)."""
    first_created = MIDNIGHT - days * DAY
    # As many transfers as anybody could make in the longest life of one day's numbers.
    before = buried(created_at=first_created, last_transfer_id=((first_created // DAY) << 40) + 10**12)
    earliest = MIDNIGHT + max(0, 4 - days) * DAY
    book = batch(before, rich(100, BOB), now=earliest)
    assert purge(book, KEY, PERIODS)
    again = applied(batch(rich(100, BOB), now=earliest), configure(ts=earliest), credit(ALICE, 100))
    update = only(emitted(again, AccountUpdate))
    assert update.creation_date > only(emitted(book, AccountPurge)).creation_date
    applied(again, request(ALICE, BOB))
    assert only(emitted(again, PreparedTransfer)).transfer_id > before.last_transfer_id
    assert only(emitted(again, AccountTransfer)).transfer_number == 1


def test_a_root_account_can_be_purged_and_created_in_one_batch():
    """What another account pays to it afterwards opens a new one, and no money is lost."""
    book = batch(buried(ROOT), scheduled(ALICE, principal=2, negligible_amount=2.0), root_config='{"rate":5}')
    for creditor_id in (ROOT, ALICE):
        assert tend(book, (DEBTOR, creditor_id), PERIODS)
    after = owner(book, ROOT)
    assert (after.principal, after.created_at, after.config_flags) == (2, NOW, 0)
    assert book.created_accounts() == [after]
    assert [new.creditor_id for _, new in book.changed_accounts()] == [ALICE]
    announced = [event for event in emitted(book, AccountUpdate) if event.creditor_id == ROOT]
    assert (only(announced).last_change_seqnum, only(announced).config_data) == (1, "")


def test_the_settings_of_a_purged_root_account_are_gone():
    """Accounts that are tended after it in the same batch keep what they have.

    See rules.md#settings-of-a-currency.
    """
    book = batch(buried(ROOT), account(interest_rate=1.5), root_config='{"rate":5}')
    assert tend(book, (DEBTOR, ROOT), PERIODS)
    assert not tend(book, KEY, PERIODS)
    assert owner(book, ALICE) == account(interest_rate=1.5)


def test_a_root_account_of_an_unknown_currency_can_be_removed():
    """Whoever removes it need not have asked for its settings."""
    book = batch(buried(ROOT))
    book.currencies.clear()
    book.remove(owner(book, ROOT))
    assert book.accounts == {}
