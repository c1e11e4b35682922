"""HTTP: verification on demand."""

from typing import Any

from marshmallow import Schema, fields

from house.api import HouseBlueprint
from house.room import room

from .access import caller
from .watching import WATCH

checks = HouseBlueprint("checks", __name__, description="Verification.")


class DifferenceSchema(Schema):
    about = fields.String(required=True)
    expected = fields.Integer(required=True, metadata={"description": "In cents."})
    found = fields.Integer(required=True, metadata={"description": "In cents."})


class ReportSchema(Schema):
    is_clean = fields.Boolean(required=True)
    compared = fields.Integer(required=True)
    differences = fields.Integer(required=True)
    not_yet = fields.Integer(required=True)
    details = fields.List(fields.Nested(DifferenceSchema), metadata={"description": "For administrators."})
    waiting_for = fields.List(fields.String(), metadata={"description": "For administrators."})


@checks.get("/verify")
@checks.response(200, ReportSchema)
def verify() -> dict[str, Any]:
    """Compare everything now: the log, the ledgers, and what the accounting server has announced."""
    one = room()
    is_admin = one.database.transact(lambda session: caller(session).is_admin)
    report = WATCH.look(one)
    answer: dict[str, Any] = {
        "is_clean": report.is_clean,
        "compared": report.compared,
        "differences": len(report.differences),
        "not_yet": len(report.not_yet),
    }
    if is_admin:
        answer |= {"details": list(report.differences), "waiting_for": list(report.not_yet)}
    return answer
