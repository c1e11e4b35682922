"""Messages of a server to the client of `bench`, good ones unless a test says otherwise."""

from datetime import date, timedelta
from typing import Any

from swpt_client.messages import (
    AccountPurge,
    AccountTransfer,
    AccountUpdate,
    ConfigureAccount,
    FinalizedTransfer,
    FinalizeTransfer,
    PreparedTransfer,
    RejectedConfig,
    RejectedTransfer,
)
from swpt_client.moments import DAY, T0
from swpt_client.records import Transfer

from .bench import ALICE, DEBTOR, START, TODAY


def prepared_transfer(transfer: Transfer, **members: Any) -> PreparedTransfer:
    """What was asked for has been prepared."""
    request = transfer.request
    values: dict[str, Any] = {
        "debtor_id": request.debtor_id,
        "creditor_id": request.creditor_id,
        "transfer_id": 77,
        "coordinator_type": request.coordinator_type,
        "coordinator_id": request.coordinator_id,
        "coordinator_request_id": transfer.coordinator_request_id,
        "locked_amount": request.max_locked_amount,
        "recipient": request.recipient,
        "prepared_at": START,
        "demurrage_rate": -50.0,
        "deadline": START + 90 * DAY,
        "final_interest_rate_ts": request.terms.final_interest_rate_ts,
        "ts": START,
    }
    return PreparedTransfer(**(values | members))


def rejected_transfer(transfer: Transfer, **members: Any) -> RejectedTransfer:
    """What was asked for is refused."""
    values: dict[str, Any] = {
        "debtor_id": transfer.request.debtor_id,
        "creditor_id": transfer.request.creditor_id,
        "coordinator_type": transfer.request.coordinator_type,
        "coordinator_id": transfer.request.coordinator_id,
        "coordinator_request_id": transfer.coordinator_request_id,
        "status_code": "INSUFFICIENT_AVAILABLE_AMOUNT",
        "total_locked_amount": 55,
        "ts": START,
    }
    return RejectedTransfer(**(values | members))


def finalized_transfer(transfer: Transfer, **members: Any) -> FinalizedTransfer:
    """The decision has been followed."""
    decision = transfer.decision
    values: dict[str, Any] = {
        "debtor_id": transfer.request.debtor_id,
        "creditor_id": transfer.request.creditor_id,
        "transfer_id": 77 if transfer.prepared is None else transfer.prepared.transfer_id,
        "coordinator_type": transfer.request.coordinator_type,
        "coordinator_id": transfer.request.coordinator_id,
        "coordinator_request_id": transfer.coordinator_request_id,
        "committed_amount": 0 if decision is None else decision.committed_amount,
        "status_code": "OK",
        "total_locked_amount": 0,
        "prepared_at": START,
        "ts": START,
    }
    return FinalizedTransfer(**(values | members))


def account_update(configured: ConfigureAccount | None = None, **members: Any) -> AccountUpdate:
    """The state of Alice's account; with a configuration, it is in effect."""
    values: dict[str, Any] = {
        "debtor_id": DEBTOR,
        "creditor_id": ALICE,
        "creation_date": TODAY,
        "last_change_ts": START,
        "last_change_seqnum": 1,
        "principal": 0,
        "interest": 0.0,
        "interest_rate": 0.0,
        "last_interest_rate_change_ts": T0,
        "last_config_ts": T0,
        "last_config_seqnum": 0,
        "negligible_amount": 0.0,
        "config_flags": 0,
        "config_data": "",
        "account_id": str(ALICE),
        "debtor_info_iri": "",
        "debtor_info_content_type": "",
        "debtor_info_sha256": "",
        "last_transfer_number": 0,
        "last_transfer_committed_at": T0,
        "demurrage_rate": -50.0,
        "commit_period": 90 * 86400,
        "transfer_note_max_bytes": 500,
        "ts": START,
        "ttl": 7 * 86400,
    }
    if configured is not None:
        values |= {
            "debtor_id": configured.debtor_id,
            "creditor_id": configured.creditor_id,
            "last_config_ts": configured.ts,
            "last_config_seqnum": configured.seqnum,
            "negligible_amount": configured.negligible_amount,
            "config_flags": configured.config_flags,
            "config_data": configured.config_data,
            "account_id": str(configured.creditor_id),
        }
    return AccountUpdate(**(values | members))


def rejected_config(configured: ConfigureAccount, **members: Any) -> RejectedConfig:
    """A configuration is refused."""
    values: dict[str, Any] = {
        "debtor_id": configured.debtor_id,
        "creditor_id": configured.creditor_id,
        "config_ts": configured.ts,
        "config_seqnum": configured.seqnum,
        "config_flags": configured.config_flags,
        "negligible_amount": configured.negligible_amount,
        "config_data": configured.config_data,
        "rejection_code": "INVALID_CONFIGURATION",
        "ts": START,
    }
    return RejectedConfig(**(values | members))


def account_purge(creation_date: date = TODAY, **members: Any) -> AccountPurge:
    """Alice's account is gone."""
    values: dict[str, Any] = {
        "debtor_id": DEBTOR,
        "creditor_id": ALICE,
        "creation_date": creation_date,
        "ts": START,
    }
    return AccountPurge(**(values | members))


def account_transfer(
    number: int, amount: int, principal: int, *, previous: int | None = None, **members: Any
) -> AccountTransfer:
    """Something has arrived on Alice's account, or has left it."""
    values: dict[str, Any] = {
        "debtor_id": DEBTOR,
        "creditor_id": ALICE,
        "creation_date": TODAY,
        "transfer_number": number,
        "coordinator_type": "direct",
        "sender": "1",
        "recipient": "2",
        "acquired_amount": amount,
        "transfer_note": "",
        "transfer_note_format": "",
        "committed_at": START,
        "principal": principal,
        "ts": START,
        "previous_transfer_number": number - 1 if previous is None else previous,
    }
    return AccountTransfer(**(values | members))


def dismissal_of(message: PreparedTransfer, ts: int = START) -> FinalizeTransfer:
    """What dismisses a prepared transfer, exactly."""
    return FinalizeTransfer(
        debtor_id=message.debtor_id,
        creditor_id=message.creditor_id,
        transfer_id=message.transfer_id,
        coordinator_type=message.coordinator_type,
        coordinator_id=message.coordinator_id,
        coordinator_request_id=message.coordinator_request_id,
        committed_amount=0,
        transfer_note="",
        transfer_note_format="",
        ts=ts,
    )


YESTERDAY = TODAY - timedelta(days=1)
TOMORROW = TODAY + timedelta(days=1)
