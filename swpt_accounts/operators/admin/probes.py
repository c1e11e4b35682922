"""Probes for machines: whether the process lives, and whether it can do its work."""

from typing import Any, Final

import msgspec
import psycopg2
from flask import Blueprint, Response, jsonify
from sqlalchemy.exc import SQLAlchemyError

from swpt_accounts.broker.errors import BrokerProblem
from swpt_accounts.runtime.errors import first_line, mask_secrets
from swpt_accounts.storage import migrations
from swpt_accounts.storage.guards import missing_guards
from swpt_accounts.wire.moments import MICROSECONDS

from .access import open_to_everybody
from .context import AdminContext, admin_context

# Longer than any pause of a process that is started again, and shorter than anybody's patience.
OUTBOX_MAX_AGE_SECONDS: Final = 300
_VERSIONS: Final = "SELECT version_num FROM alembic_version"

# Rows that were returned or refused wait for their agent, and those that were set aside for an operator; a
# row that nobody has tried, or that the broker has not answered, waits for us.
_OLDEST_UNTRIED: Final = """
SELECT created_at FROM outbox
WHERE (attempts = 0 AND last_failure IS DISTINCT FROM 'unreadable') OR last_failure = 'unanswered'
ORDER BY outbox_id LIMIT 1
"""

probes = Blueprint("probes", __name__)


class Check(msgspec.Struct, frozen=True):
    """Whether something is well, and a sentence about it."""

    is_well: bool
    detail: str


@probes.get("/livez")
@open_to_everybody
def livez() -> Response:
    """The process answers."""
    return jsonify(status="alive")


@probes.get("/readyz")
@open_to_everybody
def readyz() -> Response:
    """Database, broker and outbox are well: 200; otherwise 503."""
    checks = check_all()
    is_ready = all(check.is_well for check in checks.values())
    shown: dict[str, Any] = {
        name: {"status": "ok" if check.is_well else "failing", "detail": check.detail}
        for name, check in checks.items()
    }
    response = jsonify(status="ready" if is_ready else "not ready", checks=shown)
    response.status_code = 200 if is_ready else 503
    return response


def check_all() -> dict[str, Check]:
    """Whether database, broker and outbox are well."""
    database, outbox = _ask_database(admin_context())
    return {"database": database, "broker": _ask_broker(admin_context()), "outbox": outbox}


def _ask_database(context: AdminContext) -> tuple[Check, Check]:
    try:
        with context.reading() as connection, connection, connection.cursor() as cursor:
            cursor.execute(_VERSIONS)
            versions = {row[0] for row in cursor.fetchall()}
            cursor.execute(_OLDEST_UNTRIED)
            oldest = cursor.fetchone()
            missing = missing_guards(cursor)
    except (psycopg2.Error, SQLAlchemyError) as error:
        cause = mask_secrets(first_line(error))
        return Check(False, cause), Check(False, "the database cannot be asked")
    if (wrong := migrations.misfit(frozenset(versions))) is not None:
        database = Check(False, f"it {wrong}")
    elif why_not := context.database.why_not():
        database = Check(False, mask_secrets(why_not))
    else:
        # It works without them; whether that is enough is for those to say who have to be told.
        unguarded = "".join(f"; {guard}" for guard in missing)
        database = Check(True, f"takes work, with the tables of this version{unguarded}")
    age = 0 if oldest is None else max(0, context.now() - oldest[0]) // MICROSECONDS
    outbox = Check(age <= OUTBOX_MAX_AGE_SECONDS, f"the oldest row that nobody has tried is {age} s old")
    return database, outbox


def _ask_broker(context: AdminContext) -> Check:
    try:
        state = context.broker.state()
    except BrokerProblem as error:
        return Check(False, mask_secrets(first_line(error)))
    if state.refusal:
        return Check(False, state.refusal)
    return Check(True, f"takes messages, {state.waiting} wait")
