"""Read-only questions to the database, apart from the rules."""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from sqlalchemy import Select, and_, func, select, text
from sqlalchemy.orm import Session, scoped_session

from swpt_accounts.rules.facts import AccountKey
from swpt_accounts.storage.models import Account, RootConfiguration
from swpt_accounts.wire.codes import SCHEDULED_FOR_DELETION_FLAG
from swpt_accounts.wire.numbers import ROOT_CREDITOR_ID

AnySession: TypeAlias = Session | scoped_session[Any]

# Whoever asks over HTTP rather hears soon that there is no answer.
_ANSWER_WITHIN: Final = text("SET LOCAL statement_timeout = '3s'")


def is_reachable(session: AnySession, debtor_id: int, creditor_id: int) -> bool:
    """Whether transfers to the account can be prepared (rules.md#http-between-shards)."""
    if creditor_id == ROOT_CREDITOR_ID:
        return True
    session.execute(_ANSWER_WITHIN)
    query: Select[*tuple[Any, ...]] = select(Account.is_deleted, Account.config_flags).where(
        Account.debtor_id == debtor_id, Account.creditor_id == creditor_id
    )
    row = session.execute(query).one_or_none()
    return row is not None and not row.is_deleted and not row.config_flags & SCHEDULED_FOR_DELETION_FLAG


_REACHABLE_TOGETHER: Final = text("""
SELECT a.debtor_id, a.creditor_id
FROM (SELECT unnest(CAST(:debtor_ids AS int8[])) AS debtor_id,
             unnest(CAST(:creditor_ids AS int8[])) AS creditor_id) AS k
JOIN account a USING (debtor_id, creditor_id)
WHERE NOT a.deleted AND a.config_flags & 1 = 0
""")


def reachable_together(session: AnySession, keys: Sequence[AccountKey]) -> set[AccountKey]:
    """Those of the accounts to which transfers can be prepared."""
    found = {key for key in keys if key[1] == ROOT_CREDITOR_ID}
    asked = sorted(set(keys) - found)
    if asked:
        debtor_ids, creditor_ids = map(list, zip(*asked, strict=True))
        session.execute(_ANSWER_WITHIN)
        ids = {"debtor_ids": debtor_ids, "creditor_ids": creditor_ids}
        found.update(tuple(row) for row in session.execute(_REACHABLE_TOGETHER, ids))
    return found


def config_data(session: AnySession, debtor_id: int, creditor_id: int) -> str | None:
    """The `config_data` of an existing account, deleted or not; None if there is no such account.

    Only a root account can have one that is not empty (rules.md#configurations).
    """
    session.execute(_ANSWER_WITHIN)
    is_its_root = and_(
        RootConfiguration.debtor_id == Account.debtor_id, Account.creditor_id == ROOT_CREDITOR_ID
    )
    query: Select[*tuple[Any, ...]] = (
        select(func.coalesce(RootConfiguration.config_data, ""))
        .select_from(Account)
        .outerjoin(RootConfiguration, is_its_root)
        .where(Account.debtor_id == debtor_id, Account.creditor_id == creditor_id)
    )
    found: str | None = session.execute(query).scalar_one_or_none()
    return found
