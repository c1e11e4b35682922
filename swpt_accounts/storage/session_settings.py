"""What every session is set to by us, whatever a role, a database or the environment says.

The settings are made by a statement after connecting and not by `options`: a pooler may refuse those,
or drop them in silence, and what libpq takes from variables like PGTZ would win over them.
"""

from collections.abc import Mapping
from typing import Any, Final

from swpt_accounts.runtime.errors import OperatorError

ENCODING: Final = "UTF8"
"""Of a database and of sessions: only with it a text comes back as it was given, whatever it says."""

# How values are written and read: unchanged to the last bit.  Not `standard_conforming_strings`: how to
# quote, the driver learns once, when it connects, and it knows both ways.
_VALUES: Final = {
    "array_nulls": "on",
    "bytea_output": "hex",
    "client_encoding": ENCODING,
    "DateStyle": "ISO",
    "extra_float_digits": "1",
    "IntervalStyle": "postgres",
    "quote_all_identifiers": "off",
    "TimeZone": "UTC",
    "transform_null_equals": "off",
}

# What a commit promises, and that nothing ends our statements and sessions but ourselves.
_PROMISES: Final = {
    "default_transaction_deferrable": "off",
    "default_transaction_isolation": "read committed",
    "exit_on_error": "off",
    "idle_session_timeout": "0",
    "statement_timeout": "0",
    "synchronous_commit": "on",
}

_BEFORE_TRANSACTION_TIMEOUT: Final = 170000

# Batches look rows up by key, hundreds at a time, in tables whose size the planner's statistics
# do not know yet.  A nested loop over the primary key is always right for them, and a sequential
# scan would be a disaster.  So the plan does not depend on the keys either, and is made once.
KEY_LOOKUPS_ONLY: Final = {
    "enable_hashjoin": "off",
    "enable_indexscan": "on",
    "enable_mergejoin": "off",
    "enable_nestloop": "on",
    "enable_seqscan": "off",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
}


def settle(connection: Any, wanted: Mapping[str, str]) -> None:
    """Set a new session to what we need and to what else is wanted.

    Raises OperatorError if the database can not keep every text, or psycopg2.Error.
    """
    encoding = connection.get_parameter_status("server_encoding")
    if encoding != ENCODING:
        raise OperatorError(
            f"the database keeps texts in {encoding}, which has no room for some of them or does not know"
            f" what they are: POSTGRES_URL must name one that was made with ENCODING '{ENCODING}'"
        )
    settings = _VALUES | _PROMISES | dict(wanted)
    if connection.server_version >= _BEFORE_TRANSACTION_TIMEOUT:
        settings = {"transaction_timeout": "0"} | settings
    # A connection that is lost here could not be rolled back, which would hide why.
    with connection.cursor() as cursor:
        cursor.execute("; ".join(f"SET SESSION {name} TO '{value}'" for name, value in settings.items()))
    connection.commit()
