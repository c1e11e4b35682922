"""What operators have changed."""

from typing import Any

from marshmallow import Schema, fields

from swpt_accounts.operators.admin.fields import Int64, Moment
from swpt_accounts.operators.admin.pages import PageQuery, answer_page, page_of
from swpt_accounts.operators.inspection.audit import list_audit

from .arguments import AdminBlueprint

audit = AdminBlueprint("audit", __name__, description="What operators have changed")


class AuditRowSchema(Schema):
    """An order: who gave it, from where, what it did to what."""

    audit_id = Int64()
    happened_at = Moment()
    operator = fields.String()
    origin = fields.String()
    action = fields.String()
    target = fields.String()
    detail = fields.String()


@audit.get("/audit")
@audit.arguments(PageQuery, location="query")
@audit.response(200, page_of(AuditRowSchema))
def list_(args: dict[str, Any]) -> dict[str, Any]:
    """List orders of operators, newest first."""
    return answer_page(args, list_audit)
