"""Refused requests as values: what operators can look up for some days, to answer an agent why."""

import msgspec

from swpt_accounts.wire import codes
from swpt_accounts.wire.messages import ConfigureAccount, PrepareTransfer
from swpt_accounts.wire.moments import Moment

from .transfers import PreparedTransfer, Rejection


class Refusal(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A request to which the answer was no.  The fields as in its table; None is what its kind does not have.

    `kind` is transfer, commit or configuration; `code` is the one of the answer.
    """

    kind: str
    code: str
    debtor_id: int
    creditor_id: int
    coordinator_type: str | None = None
    coordinator_id: int | None = None
    coordinator_request_id: int | None = None
    transfer_id: int | None = None
    total_locked_amount: int | None = None
    config_ts: Moment | None = None
    config_seqnum: int | None = None
    config_flags: int | None = None
    negligible_amount: float | None = None
    config_data: str | None = None


def refused_transfer(request: PrepareTransfer, rejection: Rejection) -> Refusal:
    """A transfer that was not prepared."""
    return Refusal(
        "transfer",
        rejection.status_code,
        request.debtor_id,
        request.creditor_id,
        request.coordinator_type,
        request.coordinator_id,
        request.coordinator_request_id,
        total_locked_amount=rejection.total_locked_amount,
    )


def refused_commit(transfer: PreparedTransfer, status_code: str, total_locked_amount: int) -> Refusal:
    """A prepared transfer that was to be committed, and moved nothing."""
    return Refusal(
        "commit",
        status_code,
        transfer.debtor_id,
        transfer.creditor_id,
        transfer.coordinator_type,
        transfer.coordinator_id,
        transfer.coordinator_request_id,
        transfer.transfer_id,
        total_locked_amount,
    )


def refused_config(message: ConfigureAccount) -> Refusal:
    """A configuration that is not valid."""
    return Refusal(
        "configuration",
        codes.INVALID_CONFIGURATION,
        message.debtor_id,
        message.creditor_id,
        config_ts=message.ts,
        config_seqnum=message.seqnum,
        config_flags=message.config_flags,
        negligible_amount=message.negligible_amount,
        config_data=message.config_data,
    )
