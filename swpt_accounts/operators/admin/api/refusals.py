"""Why was this refused."""

from typing import Any

import msgspec
from marshmallow import Schema, fields
from werkzeug.exceptions import UnprocessableEntity

from swpt_accounts.operators.admin.context import admin_context
from swpt_accounts.operators.admin.fields import Choice, Int64, Moment, Text, UnsignedId, WrittenId
from swpt_accounts.operators.admin.pages import PageQuery, answer_page, page_of
from swpt_accounts.operators.inspection.explanations import MEANINGS, explain, missing_amount
from swpt_accounts.operators.inspection.keyset import Page
from swpt_accounts.operators.inspection.refusals import (
    KINDS,
    Refusal,
    RefusalFilter,
    list_refusals,
    show_refusal,
)
from swpt_accounts.wire.moments import Moment as At
from swpt_accounts.wire.moments import render_timestamp

from .arguments import AdminBlueprint, RangeQuery, check_range, not_found

refusals = AdminBlueprint("refusals", __name__, description="Refused requests of the last days")


class RefusalSchema(Schema):
    """A refused request; members that its kind does not have are null, and numbers that were not kept."""

    refused_at = Moment()
    refusal_id = Int64()
    kind = fields.String(metadata={"enum": list(KINDS)})
    code = fields.String()
    meaning = fields.String(metadata={"description": "What the code means."})
    explanation = fields.String(
        metadata={"description": "What was asked, what there was, what was missing; may be empty."}
    )
    missing_amount = Int64(allow_none=True)
    debtor_id = Int64()
    debtor_id_unsigned = UnsignedId(attribute="debtor_id")
    creditor_id = Int64()
    creditor_id_unsigned = UnsignedId(attribute="creditor_id")
    coordinator_type = fields.String(allow_none=True)
    coordinator_id = Int64(allow_none=True)
    coordinator_request_id = Int64(allow_none=True)
    transfer_id = Int64(allow_none=True)
    recipient = fields.String(allow_none=True)
    min_locked_amount = Int64(allow_none=True)
    max_locked_amount = Int64(allow_none=True)
    committed_amount = Int64(allow_none=True)
    locked_amount = Int64(allow_none=True, metadata={"description": "What was locked for this commit."})
    available_amount = Int64(allow_none=True, metadata={"description": "Beside all that was locked."})
    total_locked_amount = Int64(allow_none=True)
    pending_transfers_count = fields.Integer(allow_none=True)
    max_prepared_transfers = fields.Integer(allow_none=True)
    transfer_note_bytes = fields.Integer(allow_none=True)
    transfer_note_max_bytes = fields.Integer(allow_none=True)
    prepared_at = Moment(allow_none=True)
    deadline = Moment(allow_none=True)
    final_interest_rate_ts = Moment(allow_none=True)
    last_interest_rate_change_ts = Moment(allow_none=True)
    config_ts = Moment(allow_none=True)
    config_seqnum = fields.Integer(allow_none=True)
    config_flags = fields.Integer(allow_none=True)
    negligible_amount = fields.Float(allow_none=True)
    config_data = fields.String(allow_none=True)


class RefusalsQuery(PageQuery, RangeQuery):
    """Whose refusals, of what, and when."""

    debtor_id = WrittenId(load_default=None)
    creditor_id = WrittenId(load_default=None, metadata={"description": "Only with debtor_id."})
    kind = Choice(*KINDS, load_default=None)
    code = Choice(*MEANINGS, load_default=None)
    coordinator_type = Text(least=1, most=30, load_default=None)
    coordinator_id = WrittenId(load_default=None)
    coordinator_request_id = WrittenId(load_default=None)


@refusals.get("/refusals")
@refusals.arguments(RefusalsQuery, location="query")
@refusals.response(200, page_of(RefusalSchema))
def list_(args: dict[str, Any]) -> dict[str, Any]:
    """List rejected transfers, failed commits and rejected configurations, newest first.

    With kind, code or coordinator a page looks at 10,000 of them at most: it may be short before the end.
    """
    return refusals_page(args)


@refusals.get("/refusals/<moment:refused_at>/<positive:refusal_id>")
@refusals.response(200, RefusalSchema)
def show(refused_at: At, refusal_id: int) -> dict[str, Any]:
    """Show one refusal, with the numbers with which it was decided."""
    return shown_refusal(found_refusal(refused_at, refusal_id))


def refusals_page(args: dict[str, Any]) -> dict[str, Any]:
    """A page of refusals that `RefusalsQuery` asks for."""
    which = refusal_filter(args)

    def read(connection: Any, cut: Any, limit: int) -> Page[Any]:
        return list_refusals(connection, cut, limit, which).map(shown_refusal)

    return answer_page(args, read)


def refusal_filter(args: dict[str, Any]) -> RefusalFilter:
    """What the arguments ask for; raises UnprocessableEntity."""
    check_range(args)
    if args["creditor_id"] is not None and args["debtor_id"] is None:
        raise UnprocessableEntity("debtor_id: must be given with creditor_id.")
    return RefusalFilter(**{name: args[name] for name in RefusalFilter.__struct_fields__ if name in args})


def found_refusal(refused_at: At, refusal_id: int) -> Refusal:
    """A refusal; raises NotFound."""
    with admin_context().reading() as connection:
        found = show_refusal(connection, refused_at, refusal_id)
    if found is None:
        not_found(
            f"refusal {refusal_id} of {render_timestamp(refused_at)};"
            " they are kept for REFUSAL_RETENTION only"
        )
    return found


def shown_refusal(refusal: Refusal) -> dict[str, Any]:
    """A refusal, with what its numbers say."""
    return msgspec.structs.asdict(refusal) | {
        "meaning": MEANINGS.get(refusal.code, ""),
        "explanation": explain(refusal),
        "missing_amount": missing_amount(refusal),
    }
