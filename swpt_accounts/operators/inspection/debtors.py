"""Currencies: their root accounts, their configurations, and what a chore has counted of them."""

from typing import Any, Final

import msgspec

from swpt_accounts.rules.currency import CurrencySettings
from swpt_accounts.rules.root_config import settings_of
from swpt_accounts.wire.moments import Moment

from .keyset import Cut, Page, Position, page_of

# Jumps from debtor to debtor in the primary key: the price is that of a page, not of all accounts.
_JUMP: Final = """
WITH RECURSIVE debtor (debtor_id) AS (
    (SELECT debtor_id FROM account WHERE {cut} ORDER BY debtor_id {order} LIMIT 1)
    UNION ALL
    SELECT (
        SELECT a.debtor_id FROM account a WHERE a.debtor_id {beyond} debtor.debtor_id
        ORDER BY a.debtor_id {order} LIMIT 1)
    FROM debtor WHERE debtor.debtor_id IS NOT NULL
), chosen AS (SELECT debtor_id FROM debtor WHERE debtor_id IS NOT NULL LIMIT %(limit)s)
"""

_ONE: Final = """
WITH chosen AS (SELECT debtor_id FROM account WHERE debtor_id = CAST(%(debtor_id)s AS int8) LIMIT 1)
"""

_DESCRIBE: Final = """
SELECT c.debtor_id, root.principal, root.deleted, root.negligible_amount, r.config_data, s.summarized_at,
    s.accounts, s.deleted_accounts, s.overflown_accounts, s.issued, s.principals, s.locked,
    s.prepared_transfers
FROM chosen c
LEFT JOIN account root ON root.debtor_id = c.debtor_id AND root.creditor_id = 0
LEFT JOIN root_configuration r ON r.debtor_id = c.debtor_id
LEFT JOIN debtor_summary s ON s.debtor_id = c.debtor_id
"""

MOST_SEARCHED: Final = 1_000
"""How many debtors are looked through for the accounts of a creditor: no index begins with creditors."""

_WITH_CREDITOR: Final = """
SELECT c.debtor_id FROM chosen c
JOIN account a ON a.debtor_id = c.debtor_id AND a.creditor_id = CAST(%(creditor_id)s AS int8)
ORDER BY c.debtor_id
"""

# The unbalanced first: nobody should have to look for them.
_SUMMARIES: Final = """
SELECT debtor_id, summarized_at, accounts, deleted_accounts, overflown_accounts, issued, principals, locked,
    prepared_transfers
FROM debtor_summary ORDER BY principals <> 0 AND overflown_accounts = 0 DESC, accounts DESC, debtor_id
LIMIT %(limit)s
"""


class Summary(msgspec.Struct, frozen=True):
    """What was counted at a moment (see `operator_models.DebtorSummary`)."""

    summarized_at: Moment
    accounts: int
    deleted_accounts: int
    overflown_accounts: int
    issued: int
    principals: int
    locked: int
    prepared_transfers: int


class Debtor(msgspec.Struct, frozen=True):
    """A currency.  What only a root account has is none without one.

    `settings` are none if the configuration cannot be read; `summary` is none until the chore has come by.
    """

    debtor_id: int
    issued: int | None
    root_is_deleted: bool | None
    root_negligible_amount: float | None
    config_data: str | None
    settings: CurrencySettings | None
    summary: Summary | None


def list_debtors(connection: Any, cut: Cut, limit: int) -> Page[Debtor]:
    """Debtors of all accounts, by id (signed)."""
    is_down = cut.is_backward
    beyond = "<" if is_down else ">"
    jump = _JUMP.format(
        cut="true" if cut.position is None else f"debtor_id {beyond} CAST(%(position)s AS int8)",
        order="DESC" if is_down else "ASC",
        beyond=beyond,
    )
    query = jump + _DESCRIBE + "ORDER BY c.debtor_id" + (" DESC" if is_down else "")
    parameters = {"limit": limit + 1, "position": cut.position and cut.position[0]}
    with connection, connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return page_of([_debtor(row) for row in cursor.fetchall()], cut, limit, _position)


def find_debtor(connection: Any, debtor_id: int) -> Debtor | None:
    """One debtor; None if there is no account with it."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_ONE + _DESCRIBE, {"debtor_id": debtor_id})
        row = cursor.fetchone()
    return None if row is None else _debtor(row)


def debtors_with(connection: Any, creditor_id: int) -> list[int]:
    """The debtors, among the first `MOST_SEARCHED`, with which this creditor has an account."""
    jump = _JUMP.format(cut="true", order="ASC", beyond=">")
    with connection, connection.cursor() as cursor:
        cursor.execute(jump + _WITH_CREDITOR, {"limit": MOST_SEARCHED, "creditor_id": creditor_id})
        return [debtor_id for (debtor_id,) in cursor.fetchall()]


def top_summaries(connection: Any, limit: int) -> list[tuple[int, Summary]]:
    """What the chore has counted: debtors that do not add up first, then those with the most accounts."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_SUMMARIES, {"limit": limit})
        return [(row[0], Summary(row[1], *map(int, row[2:]))) for row in cursor.fetchall()]


def _position(debtor: Debtor) -> Position:
    return (debtor.debtor_id,)


def _debtor(row: Any) -> Debtor:
    debtor_id, principal, root_is_deleted, negligible_amount, config_data, summarized_at, *counts = row
    has_root = principal is not None
    config_data = (config_data or "") if has_root else None
    return Debtor(
        debtor_id=debtor_id,
        issued=-principal if has_root else None,
        root_is_deleted=root_is_deleted,
        root_negligible_amount=negligible_amount,
        config_data=config_data,
        settings=None if config_data is None else settings_of(config_data),
        summary=None if summarized_at is None else Summary(summarized_at, *map(int, counts)),
    )
