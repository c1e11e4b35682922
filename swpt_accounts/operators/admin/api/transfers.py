"""Transfers: those that wait, and what became of one."""

from typing import Any

import msgspec
from marshmallow import Schema, fields
from werkzeug.exceptions import UnprocessableEntity

from swpt_accounts.operators.admin.context import admin_context
from swpt_accounts.operators.admin.fields import Choice, Int64, Moment, Text, UnsignedId, WrittenId
from swpt_accounts.operators.admin.pages import PageQuery, answer_page, page_of
from swpt_accounts.operators.inspection.keyset import Page
from swpt_accounts.operators.inspection.transfers import (
    FoundTransfer,
    Request,
    find_transfer,
    known_sender,
    list_prepared,
)
from swpt_accounts.rules.transfers import PreparedTransfer
from swpt_accounts.wire.moments import MICROSECONDS

from .arguments import AdminBlueprint, RangeQuery, check_range
from .refusals import RefusalSchema, shown_refusal

transfers = AdminBlueprint("transfers", __name__, description="Transfers")


class PreparedTransferSchema(Schema):
    """A lock that waits for its finalization.  The creditor is the sender."""

    debtor_id = Int64()
    debtor_id_unsigned = UnsignedId(attribute="debtor_id")
    creditor_id = Int64()
    creditor_id_unsigned = UnsignedId(attribute="creditor_id")
    transfer_id = Int64()
    coordinator_type = fields.String()
    coordinator_id = Int64()
    coordinator_request_id = Int64()
    recipient_creditor_id = Int64()
    recipient_creditor_id_unsigned = UnsignedId(attribute="recipient_creditor_id")
    locked_amount = Int64()
    prepared_at = Moment()
    age_seconds = fields.Float()
    deadline = Moment()
    is_overdue = fields.Boolean(metadata={"description": "The deadline is over: a commit would fail."})
    final_interest_rate_ts = Moment()
    last_reminder_ts = Moment(t0_is_none=True, allow_none=True)


class LedgerEntrySchema(Schema):
    """A committed transfer, as the account of the creditor sees it.

    `acquired_amount` is negative for the sender.  `transfer_number` is 0 if no AccountTransfer was sent to
    this account.  Principals are those right after the transfer, null on another shard.
    """

    applied_at = Moment()
    journal_id = Int64()
    debtor_id = Int64()
    debtor_id_unsigned = UnsignedId(attribute="debtor_id")
    creditor_id = Int64()
    creditor_id_unsigned = UnsignedId(attribute="creditor_id")
    other_creditor_id = Int64()
    other_creditor_id_unsigned = UnsignedId(attribute="other_creditor_id")
    acquired_amount = Int64()
    principal = Int64(allow_none=True)
    other_principal = Int64(allow_none=True)
    account_created_at = Moment(allow_none=True)
    transfer_number = Int64()
    committed_at = Moment()
    transfer_id = Int64(metadata={"description": "0 for payments of the server."})
    coordinator_type = fields.String()
    coordinator_id = Int64()
    coordinator_request_id = Int64()
    transfer_note_format = fields.String()
    transfer_note = fields.String()


class FoundTransferSchema(Schema):
    """All that is known of a transfer; the refusals of the last days only."""

    prepared = fields.List(fields.Nested(PreparedTransferSchema))
    committed = fields.List(fields.Nested(LedgerEntrySchema))
    refused = fields.List(fields.Nested(RefusalSchema))


class WaitingQuery(PageQuery):
    """Which prepared transfers."""

    debtor_id = WrittenId(load_default=None)
    overdue = Choice("no", "yes", load_default="no")


class TransferQuery(RangeQuery):
    """A transfer by its id and sender, or by its coordinator's request."""

    debtor_id = WrittenId(required=True)
    sender_creditor_id = WrittenId(load_default=None)
    transfer_id = WrittenId(load_default=None)
    coordinator_type = Text(least=1, most=30, load_default=None)
    coordinator_id = WrittenId(load_default=None)
    coordinator_request_id = WrittenId(load_default=None)


def shown_prepared(transfer: PreparedTransfer, now: int) -> dict[str, Any]:
    """A prepared transfer, with what depends on the moment."""
    fields_of = msgspec.structs.asdict(transfer)
    age = max(0, now - transfer.prepared_at) / MICROSECONDS
    return fields_of | {"age_seconds": age, "is_overdue": transfer.deadline < now}


@transfers.get("/prepared-transfers")
@transfers.arguments(WaitingQuery, location="query")
@transfers.response(200, page_of(PreparedTransferSchema))
def list_(args: dict[str, Any]) -> dict[str, Any]:
    """List prepared transfers, by debtor, sender and transfer id.

    A page looks at 10,000 of them at most: overdue ones may be short before the end of the list.
    """
    return prepared_page(args)


@transfers.get("/transfers")
@transfers.arguments(TransferQuery, location="query")
@transfers.response(200, FoundTransferSchema)
def find(args: dict[str, Any]) -> dict[str, Any]:
    """Look up a transfer: prepared, committed or refused.

    Give `transfer_id` and `sender_creditor_id`; or `coordinator_type`, `coordinator_id` and
    `coordinator_request_id`, and the sender as well unless the type is direct or issuing.
    """
    check_range(args)
    sender, which = _named(args)
    with admin_context().reading() as connection:
        found = find_transfer(
            connection, args["debtor_id"], sender, which, since=args["since"], until=args["until"]
        )
    return shown_found(found)


def prepared_page(args: dict[str, Any]) -> dict[str, Any]:
    """A page of prepared transfers that `WaitingQuery` asks for."""
    now = admin_context().now()

    def read(connection: Any, cut: Any, limit: int) -> Page[Any]:
        overdue_at = now if args["overdue"] == "yes" else None
        page = list_prepared(connection, cut, limit, debtor_id=args["debtor_id"], overdue_at=overdue_at)
        return page.map(lambda transfer: shown_prepared(transfer, now))

    return answer_page(args, read)


def shown_found(found: FoundTransfer) -> dict[str, Any]:
    """What was found, with what depends on the moment."""
    now = admin_context().now()
    prepared = [shown_prepared(transfer, now) for transfer in found.prepared]
    refused = [shown_refusal(refusal) for refusal in found.refused]
    return {"prepared": prepared, "committed": found.committed, "refused": refused}


def _named(args: dict[str, Any]) -> tuple[int, int | Request]:
    """The sender and the name of the transfer; indexes serve no other combinations."""
    request = [args[name] for name in ("coordinator_type", "coordinator_id", "coordinator_request_id")]
    sender, transfer_id = args["sender_creditor_id"], args["transfer_id"]
    if transfer_id is not None and request == [None] * 3:
        if sender is None:
            raise UnprocessableEntity("sender_creditor_id: must be given with transfer_id.")
        return sender, transfer_id
    if transfer_id is not None or None in request:
        raise UnprocessableEntity(
            "Give either transfer_id and sender_creditor_id, or coordinator_type, coordinator_id and"
            " coordinator_request_id."
        )
    named = Request(*request)
    if sender is None:
        sender = known_sender(args["debtor_id"], named)
    if sender is None:
        raise UnprocessableEntity(
            "sender_creditor_id: must be given, because a coordinator of this type has many senders."
        )
    return sender, named
