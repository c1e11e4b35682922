"""Currencies: list, and one."""

from typing import Any

from marshmallow import Schema, fields

from swpt_accounts.operators.admin.context import admin_context
from swpt_accounts.operators.admin.fields import Int64, Moment, UnsignedId
from swpt_accounts.operators.admin.pages import PageQuery, answer_page, page_of
from swpt_accounts.operators.inspection.debtors import Debtor, find_debtor, list_debtors

from .arguments import AdminBlueprint, not_found

debtors = AdminBlueprint("debtors", __name__, description="Currencies")


class DebtorInfoSchema(Schema):
    """Where to find information about the debtor."""

    iri = fields.String()
    content_type = fields.String()
    sha256 = fields.String()


class SettingsSchema(Schema):
    """What the root configuration means; null if it cannot be read."""

    interest_rate = fields.Float(metadata={"description": "Percent per year."})
    issuing_limit = Int64()
    debtor_info = fields.Nested(DebtorInfoSchema)


class SummarySchema(Schema):
    """What a chore has counted, in one snapshot; null until it has come by.

    `principals` is the sum of all principals of this shard, which is 0 if there is no other one and
    nothing was lost.
    """

    summarized_at = Moment()
    accounts = fields.Integer(metadata={"description": "Without deleted ones and the root account."})
    deleted_accounts = fields.Integer()
    overflown_accounts = fields.Integer()
    issued = Int64()
    principals = Int64()
    locked = Int64()
    prepared_transfers = fields.Integer()


class DebtorSchema(Schema):
    """A currency; what only a root account has is null without one."""

    debtor_id = Int64()
    debtor_id_unsigned = UnsignedId(attribute="debtor_id")
    issued = Int64(allow_none=True, metadata={"description": "Minus the principal of the root account, now."})
    root_is_deleted = fields.Boolean(allow_none=True)
    root_negligible_amount = fields.Float(allow_none=True)
    config_data = fields.String(allow_none=True)
    settings = fields.Nested(SettingsSchema, allow_none=True)
    summary = fields.Nested(SummarySchema, allow_none=True)


@debtors.get("/debtors")
@debtors.arguments(PageQuery, location="query")
@debtors.response(200, page_of(DebtorSchema))
def list_(args: dict[str, Any]) -> dict[str, Any]:
    """List currencies, by debtor id (signed)."""
    return answer_page(args, list_debtors)


@debtors.get("/debtors/<account_id:debtor_id>")
@debtors.response(200, DebtorSchema)
def show(debtor_id: int) -> Debtor:
    """Show a currency."""
    with admin_context().reading() as connection:
        found = find_debtor(connection, debtor_id)
    return found or not_found(f"account of debtor {debtor_id}")
