"""Steps that only an operator asks for."""

from datetime import UTC, datetime

import msgspec
import pytest

from swpt_accounts.events import AccountUpdate
from swpt_accounts.rules.deciding import decide
from swpt_accounts.rules.interventions import least_transfer_id, raised, restore, set_back_configuration
from swpt_accounts.wire.moments import from_datetime
from tests.backstage.builders import (
    ALICE,
    DAY,
    DEBTOR,
    HOUR,
    NOW,
    POLICY,
    ROOT,
    SHARD,
    YEAR,
    account,
    batch,
    deleted,
    emitted,
    foreign_creditor,
    only,
    owner,
    rich,
    root,
    text,
)
from tests.backstage.builders import configure as configuration

JUMP = 2**20
RESTORED_AT = from_datetime(datetime(2026, 11, 21, 10, tzinfo=UTC))


def test_transfer_ids_go_on_where_the_day_is():
    """The example of rules.md#after-a-restore, to the digit."""
    assert RESTORED_AT == 1795255200 * 1_000_000
    assert least_transfer_id(RESTORED_AT) == 22846110731774634
    assert least_transfer_id(RESTORED_AT + 999_999) == 22846110731774634


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (22845652601929729, 22846110731774634),
        (22846110731774634, 22846110731774634),
        (22846110731774635, 22846110731774635),
    ],
)
def test_a_transfer_id_never_falls(before, after):
    """The counter of an account is raised to the moment of the restoration, or left alone."""
    assert raised(account(last_transfer_id=before), RESTORED_AT).last_transfer_id == after


@pytest.mark.parametrize(
    ("before", "after"),
    [(0, JUMP), (5, 5 + JUMP), (-1, JUMP - 1), (2**31 - 1, -(2**31) + JUMP - 1), (-(2**31), JUMP - 2**31)],
)
def test_change_numbers_skip_and_wrap(before, after):
    """last_change_seqnum leaves out 2^20 numbers, around the end of int32."""
    assert raised(account(last_change_seqnum=before), RESTORED_AT).last_change_seqnum == after


def test_transfer_numbers_skip_but_for_root_accounts():
    """last_transfer_number leaves out 2^20 numbers; that of a root account is 0 for ever (V7)."""
    assert raised(account(last_transfer_number=7), RESTORED_AT).last_transfer_number == 7 + JUMP
    assert raised(root(), RESTORED_AT).last_transfer_number == 0


def test_a_restored_account_is_announced_with_a_number_of_its_own():
    """The AccountUpdate shows the raised counters, and interest up to now."""
    before = rich(1000, interest_rate=10.0, last_change_ts=NOW - YEAR, last_transfer_number=7)
    book = batch(before, root())
    assert restore(book, (DEBTOR, ALICE), RESTORED_AT)
    update = only(emitted(book, AccountUpdate))
    assert (update.last_change_seqnum, update.last_transfer_number) == (JUMP + 2, JUMP + 7)
    assert update.last_change_ts == text(NOW)
    assert update.interest == pytest.approx(100.0)
    assert restore(book, (DEBTOR, ROOT), RESTORED_AT)
    assert owner(book, ROOT).last_change_seqnum == JUMP + 2


def test_accounts_of_which_nobody_may_hear_are_raised_in_silence():
    """Deleted accounts, and accounts of another shard, get their counters but no AccountUpdate."""
    stranger = foreign_creditor()
    policy = msgspec.structs.replace(POLICY, realm=SHARD)
    book = batch(account(stranger), deleted(ALICE), policy=policy)
    for creditor_id in (stranger, ALICE):
        assert not restore(book, (DEBTOR, creditor_id), RESTORED_AT)
        assert owner(book, creditor_id).last_change_seqnum == JUMP + 1
    assert book.events == []


# -- configurations ----------------------------------------------------------------------------


def test_an_account_that_is_frozen_by_the_future_thaws():
    """After the order key is set back, an ordinary configuration is applied again."""
    frozen = account(last_config_ts=NOW + 1000 * YEAR, last_config_seqnum=3, negligible_amount=2.0)
    book = batch(frozen)
    decide(book, configuration(ALICE))
    assert book.ignored == [("ConfigureAccount", "C1")]
    assert set_back_configuration(book, (DEBTOR, ALICE), NOW - HOUR, 0)
    update = only(emitted(book, AccountUpdate))
    assert (update.last_config_ts, update.last_config_seqnum) == (text(NOW - HOUR), 0)
    assert (update.last_change_seqnum, update.negligible_amount) == (2, 2.0)
    decide(book, configuration(ALICE, negligible_amount=5.0))
    assert owner(book, ALICE).negligible_amount == 5.0


@pytest.mark.parametrize(
    ("ts", "seqnum", "is_back"),
    [
        (NOW - 1, 99, True),
        (NOW, 4, True),
        (NOW, 5, False),
        (NOW, 6, False),
        (NOW, -(2**31) + 5, False),  # by the rule for wrapping numbers this is ahead
        (NOW + 1, 0, False),
    ],
)
def test_an_order_key_is_never_set_forward(ts, seqnum, is_back):
    """Only an earlier key is taken, by the order of configurations; else nothing changes."""
    book = batch(account(last_config_ts=NOW, last_config_seqnum=5))
    assert set_back_configuration(book, (DEBTOR, ALICE), ts, seqnum) == is_back
    assert bool(book.events) == is_back
    assert bool(book.changed_accounts()) == is_back


def test_a_deleted_account_is_set_back_in_silence():
    """No AccountUpdate, and the moment that decides about its purge stays."""
    book = batch(deleted(ALICE, last_config_ts=NOW + DAY, last_change_ts=NOW - DAY))
    assert set_back_configuration(book, (DEBTOR, ALICE), NOW, -7)
    assert owner(book, ALICE).last_change_ts == NOW - DAY
    assert owner(book, ALICE).last_config_ts == NOW
    assert owner(book, ALICE).last_config_seqnum == -7
    assert book.events == []
