"""Rows of the reference server and what they mean here, column by column and reason by reason."""

import math

import msgspec
import pytest

from swpt_accounts.rules.accounts import Account
from swpt_accounts.rules.currency import NO_DEBTOR_INFO, DebtorInfo
from swpt_accounts.rules.openings import OPENING, opening_balance
from swpt_accounts.rules.reference import (
    ReferenceAccount,
    ReferenceTransfer,
    account_of,
    root_configuration_of,
    transfer_of,
    why_not_account,
    why_not_transfer,
)
from swpt_accounts.wire.moments import FIRST_MOMENT, LAST_MOMENT, T0, T_FAR
from swpt_accounts.wire.numbers import MAX_INT64
from tests.backstage.builders import ALICE, BOB, DAY, DEBTOR, NOW, ROOT

VERSION = 3

ACCOUNT = ReferenceAccount(
    debtor_id=DEBTOR,
    creditor_id=ALICE,
    creation_date=NOW - NOW % DAY - DAY,
    last_change_seqnum=-17,
    last_change_ts=NOW - 1,
    principal=1000,
    interest=-0.5,
    interest_rate=2.3,
    previous_interest_rate=1.1,
    last_interest_rate_change_ts=NOW - 2,
    last_config_ts=NOW - 3,
    last_config_seqnum=-4,
    last_transfer_number=5,
    last_transfer_committed_at=NOW - 6,
    last_transfer_id=7 << 40,
    negligible_amount=0.1,
    config_flags=8,
    config_data="",
    debtor_info_iri="https://example.com",
    debtor_info_content_type="text/html",
    debtor_info_sha256="AB" * 32,
    status_flags=0,
    total_locked_amount=100,
    pending_transfers_count=1,
    last_heartbeat_ts=NOW - 9,
    last_interest_capitalization_ts=NOW - 10,
    last_deletion_attempt_ts=NOW - 11,
)
EMPTY = {"principal": 0, "interest": 0.0, "total_locked_amount": 0, "pending_transfers_count": 0}
ROOT_ACCOUNT = {"creditor_id": ROOT, "interest_rate": 0.0, "last_transfer_number": 0}

TRANSFER = ReferenceTransfer(
    debtor_id=DEBTOR,
    sender_creditor_id=ALICE,
    transfer_id=77,
    coordinator_type="direct",
    coordinator_id=ALICE,
    coordinator_request_id=-2,
    recipient_creditor_id=BOB,
    locked_amount=100,
    prepared_at=NOW - 1,
    deadline=NOW + DAY,
    final_interest_rate_ts=T_FAR,
    demurrage_rate=-50.0,
    last_reminder_ts=None,
)


def imported(**changes):
    """The account, with other columns there, as it stands here."""
    return account_of(msgspec.structs.replace(ACCOUNT, **changes), VERSION, NOW)


def test_every_field_of_an_account_has_its_source():
    """The whole account, field by field."""
    assert imported() == Account(
        debtor_id=DEBTOR,
        creditor_id=ALICE,
        created_at=NOW - NOW % DAY - DAY,
        interest_rate=2.3,
        previous_interest_rate=1.1,
        last_interest_rate_change_ts=NOW - 2,
        last_capitalization_ts=NOW - 10,
        last_config_ts=NOW - 3,
        last_config_seqnum=-4,
        last_config_applied_at=NOW,
        negligible_amount=0.1,
        config_flags=8,
        debtor_info=DebtorInfo("https://example.com", "text/html", "AB" * 32),
        last_deletion_ts=NOW - 11,
        announced_settings=VERSION,
        is_deleted=False,
        is_overflown=False,
        last_change_seqnum=-17,
        last_change_ts=NOW - 1,
        principal=1000,
        interest=-0.5,
        last_transfer_number=5,
        last_transfer_committed_at=NOW - 6,
        last_transfer_id=7 << 40,
        total_locked_amount=100,
        pending_transfers_count=1,
        last_update_ts=NOW - 9,
        last_delayed_update_ts=T0,
        update_pending_since=NOW,
    )


@pytest.mark.parametrize(
    ("flags", "is_deleted", "is_overflown", "pending_since"),
    [(0, False, False, NOW), (1, True, False, T0), (2, False, True, NOW), (3, True, True, T0)],
)
def test_status_flags(flags, is_deleted, is_overflown, pending_since):
    """Bit 0 is deleted, bit 1 is overflown; what is deleted is not announced."""
    account = imported(status_flags=flags)
    assert (account.is_deleted, account.is_overflown) == (is_deleted, is_overflown)
    assert account.update_pending_since == pending_since


@pytest.mark.parametrize(
    ("changes", "info"),
    [
        (
            {"debtor_info_iri": None, "debtor_info_content_type": None, "debtor_info_sha256": None},
            NO_DEBTOR_INFO,
        ),
        ({"debtor_info_sha256": None}, DebtorInfo("https://example.com", "text/html", "")),
        (ROOT_ACCOUNT, NO_DEBTOR_INFO),
    ],
)
def test_debtor_info(changes, info):
    """NULL is the empty text, and a root account has none."""
    assert imported(**changes).debtor_info == info


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"config_data": "{}"}, None),
        ({**ROOT_ACCOUNT, "config_data": ""}, None),
        ({**ROOT_ACCOUNT, "config_data": "{}"}, "{}"),
    ],
)
def test_configurations(changes, kept):
    """Only that of a root account is kept, if there is one."""
    assert root_configuration_of(msgspec.structs.replace(ACCOUNT, **changes)) == kept


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"status_flags": 2}, None),
        ({"status_flags": 4}, "has status_flags 4"),
        ({"status_flags": -1}, "has status_flags -1"),
        ({"status_flags": 1, **EMPTY}, None),
        *(({"status_flags": 1, **EMPTY, name: 1}, "is deleted, but not empty") for name in EMPTY),
        ({"last_change_ts": FIRST_MOMENT}, None),
        ({"last_change_ts": LAST_MOMENT}, None),
        *(
            ({name: moment}, "has a moment outside of the years 1 to 9999")
            for name in ACCOUNT.__struct_fields__
            if name.endswith(("_ts", "_at", "_date"))
            for moment in (FIRST_MOMENT - 1, LAST_MOMENT + 1)
        ),
        ({"interest": 2.0**63}, None),
        ({"interest": 2.0**64}, "has an interest of"),
        ({"interest": math.nan}, "has an interest of nan"),
        ({"negligible_amount": 0.0}, None),
        ({"negligible_amount": -0.1}, "has a negligible amount of -0.1"),
        ({"negligible_amount": math.inf}, "has a negligible amount of inf"),
        ({"negligible_amount": math.nan}, "has a negligible amount of nan"),
        (ROOT_ACCOUNT, None),
        (ROOT_ACCOUNT | {"interest_rate": 1.0}, "is a root account with the rate 1.0"),
        (
            ROOT_ACCOUNT | {"last_transfer_number": 2},
            "is a root account with the rate 0.0 and 2 transfer numbers",
        ),
        ({"principal": -MAX_INT64}, None),
    ],
)
def test_accounts_that_can_not_be_taken_over(changes, reason):
    """One reason for each, and none for all others."""
    why = why_not_account(msgspec.structs.replace(ACCOUNT, **changes))
    assert (why is None) if reason is None else (why is not None and why.startswith(reason))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"last_reminder_ts": NOW}, None),
        ({"demurrage_rate": -49.0}, "has the demurrage rate -49.0"),
        ({"deadline": LAST_MOMENT}, None),
        ({"prepared_at": FIRST_MOMENT}, None),
        ({"deadline": LAST_MOMENT + 1}, "has a moment outside of the years 1 to 9999"),
        ({"last_reminder_ts": FIRST_MOMENT - 1}, "has a moment outside"),
        ({"coordinator_type": "x"}, None),
        ({"coordinator_type": "x" * 30}, None),
        ({"coordinator_type": ""}, "has the coordinator type ''"),
        ({"coordinator_type": "é"}, "has the coordinator type 'é'"),
        ({"coordinator_type": "x" * 31}, "has the coordinator type"),
        ({"coordinator_type": "interest"}, "has the coordinator type 'interest', which is for payments"),
        ({"recipient_creditor_id": ALICE}, "is from an account to itself"),
    ],
)
def test_transfers_that_can_not_be_taken_over(changes, reason):
    """One reason for each, and none for all others."""
    why = why_not_transfer(msgspec.structs.replace(TRANSFER, **changes))
    assert (why is None) if reason is None else (why is not None and why.startswith(reason))


@pytest.mark.parametrize(("reminded", "kept"), [(None, T0), (NOW, NOW)])
def test_a_prepared_transfer(reminded, kept):
    """All its fields are the same; one that was never reminded of was at T0."""
    transfer = transfer_of(msgspec.structs.replace(TRANSFER, last_reminder_ts=reminded))
    assert transfer.last_reminder_ts == kept
    assert transfer.creditor_id == ALICE
    same = set(transfer.__struct_fields__) & set(TRANSFER.__struct_fields__) - {"last_reminder_ts"}
    assert len(same) == len(transfer.__struct_fields__) - 2
    assert all(getattr(transfer, name) == getattr(TRANSFER, name) for name in same)


def test_an_opening_balance_reads_the_same_from_both_sides():
    """Nothing moves; both sides say where the account stands."""
    entry = opening_balance(imported(), NOW)
    assert (entry.amount, entry.coordinator_type, entry.applied_at) == (0, OPENING, NOW)
    for side in ("sender", "recipient"):
        assert getattr(entry, f"{side}_creditor_id") == ALICE
        assert getattr(entry, f"{side}_principal") == 1000
        assert getattr(entry, f"{side}_transfer_number") == 5
        assert getattr(entry, f"{side}_created_at") == imported().created_at
    assert entry.debtor_id == imported().debtor_id
    assert entry.committed_at == NOW
    assert (entry.transfer_id, entry.coordinator_id, entry.coordinator_request_id) == (0, 0, 0)
    assert (entry.transfer_note, entry.transfer_note_format) == ("", "")
