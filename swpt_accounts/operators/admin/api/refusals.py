"""Why was this refused."""

from typing import Any

from marshmallow import Schema, fields
from werkzeug.exceptions import UnprocessableEntity

from swpt_accounts.operators.admin.fields import Int64, Moment, UnsignedId, WrittenId
from swpt_accounts.operators.admin.pages import PageQuery, answer_page, page_of
from swpt_accounts.operators.inspection.keyset import Page
from swpt_accounts.operators.inspection.refusals import list_refusals

from .doors import AdminBlueprint, RangeQuery, check_range

refusals = AdminBlueprint("refusals", __name__, description="Refused requests of the last days")


class RefusalSchema(Schema):
    """A refused request; members that its kind does not have are null."""

    refused_at = Moment()
    refusal_id = Int64()
    kind = fields.String(metadata={"enum": ["transfer", "commit", "configuration"]})
    code = fields.String()
    debtor_id = Int64()
    debtor_id_unsigned = UnsignedId(attribute="debtor_id")
    creditor_id = Int64()
    creditor_id_unsigned = UnsignedId(attribute="creditor_id")
    coordinator_type = fields.String(allow_none=True)
    coordinator_id = Int64(allow_none=True)
    coordinator_request_id = Int64(allow_none=True)
    transfer_id = Int64(allow_none=True)
    total_locked_amount = Int64(allow_none=True)
    config_ts = Moment(allow_none=True)
    config_seqnum = fields.Integer(allow_none=True)
    config_flags = fields.Integer(allow_none=True)
    negligible_amount = fields.Float(allow_none=True)
    config_data = fields.String(allow_none=True)


class RefusalsQuery(PageQuery, RangeQuery):
    """Whose refusals, and when."""

    debtor_id = WrittenId(load_default=None)
    creditor_id = WrittenId(load_default=None, metadata={"description": "Only with debtor_id."})


@refusals.get("/refusals")
@refusals.arguments(RefusalsQuery, location="query")
@refusals.response(200, page_of(RefusalSchema))
def list_(args: dict[str, Any]) -> dict[str, Any]:
    """List rejected transfers, failed commits and rejected configurations, newest first."""
    return refusals_page(args)


def refusals_page(args: dict[str, Any]) -> dict[str, Any]:
    """A page of refusals that `RefusalsQuery` asks for."""
    check_range(args)
    if args["creditor_id"] is not None and args["debtor_id"] is None:
        raise UnprocessableEntity("debtor_id: must be given with creditor_id.")

    def read(connection: Any, cut: Any, limit: int) -> Page[Any]:
        chosen = {name: args[name] for name in ("debtor_id", "creditor_id", "since", "until")}
        return list_refusals(connection, cut, limit, **chosen)

    return answer_page(args, read)
