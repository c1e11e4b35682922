"""Chores: settings of currencies whose root account is on another shard.

See rules.md#carrying-settings-to-all-accounts and rules.md#new-and-revived-accounts.  Each currency is
asked for once in ROOT_CONFIG_CACHE_TTL, not each of its accounts; what has changed is carried to all of them
by the same job as the settings of a root account of this shard.  New accounts have a row each, until the
settings of their currency are there.
"""

import asyncio
import random
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from swpt_accounts.rules.facts import AccountKey
from swpt_accounts.rules.upkeep import apply_settings
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.storage.arrays import arrays
from swpt_accounts.transactions import columns
from swpt_accounts.transactions.books import close_book, open_book
from swpt_accounts.transactions.context import asking_time
from swpt_accounts.transactions.writing import REQUEST_PROPAGATION
from swpt_accounts.wire.moments import later_by, latest_due, most_ahead, seconds
from swpt_accounts.wire.numbers import ROOT_CREDITOR_ID

from .chore import StepContext
from .isolation import attempt

if TYPE_CHECKING:
    from swpt_accounts.shards.client import Config

_MOST_ASKED: Final = 200
_MOST_ACCOUNTS: Final = 200
_FIRST_RETRY_SECONDS: Final = 1.0
_DAY: Final = seconds(86400)

# New accounts of a currency of which nobody has heard here yet.
_ENROLL_NEW: Final = """
INSERT INTO foreign_currency (debtor_id, next_read_at)
SELECT DISTINCT d.debtor_id, %(now)s::int8 FROM settings_due d
WHERE NOT EXISTS (SELECT FROM foreign_currency f WHERE f.debtor_id = d.debtor_id)
ON CONFLICT DO NOTHING
"""

_TAKE_DUE: Final = """
UPDATE foreign_currency SET next_read_at = %(lease)s
WHERE debtor_id IN (
    SELECT debtor_id FROM foreign_currency WHERE next_read_at <= %(until)s OR next_read_at > %(latest)s
    ORDER BY next_read_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING debtor_id, attempts
"""

_STORE: Final = """
WITH old AS (SELECT config_data, read_at FROM foreign_currency WHERE debtor_id = %(debtor_id)s FOR UPDATE)
UPDATE foreign_currency f
SET config_data = %(config_data)s, read_at = %(now)s, next_read_at = %(next)s, attempts = 0
FROM old WHERE f.debtor_id = %(debtor_id)s
RETURNING old.read_at = 0 OR old.config_data IS DISTINCT FROM %(config_data)s
"""

_PUT_OFF: Final = """
UPDATE foreign_currency SET next_read_at = %(next)s, attempts = attempts + 1 WHERE debtor_id = %(debtor_id)s
"""

_FIND_NEWCOMERS: Final = """
SELECT d.debtor_id, d.creditor_id FROM settings_due d JOIN foreign_currency f USING (debtor_id)
WHERE f.read_at BETWEEN %(oldest)s AND %(newest)s
ORDER BY d.debtor_id, d.creditor_id LIMIT %(limit)s
"""

_FORGET: Final = """
DELETE FROM settings_due d USING unnest(%s::int8[], %s::int8[]) AS k (debtor_id, creditor_id)
WHERE d.debtor_id = k.debtor_id AND d.creditor_id = k.creditor_id
"""

# After a split, accounts are here whose root account is not here any more.
_FIND_DEBTORS: Final = """
SELECT debtor_id FROM debtor_summary s WHERE accounts > 0
AND NOT EXISTS (SELECT FROM foreign_currency f WHERE f.debtor_id = s.debtor_id)
"""

_ENROLL: Final = """
INSERT INTO foreign_currency (debtor_id, next_read_at) SELECT unnest(%s::int8[]), %s ON CONFLICT DO NOTHING
"""

_REMOVE: Final = """
DELETE FROM foreign_currency f WHERE read_at < %(before)s AND next_read_at < %(now)s
AND NOT EXISTS (SELECT FROM debtor_summary s WHERE s.debtor_id = f.debtor_id AND s.accounts > 0)
AND NOT EXISTS (SELECT FROM settings_due d WHERE d.debtor_id = f.debtor_id)
"""


class _Due(NamedTuple):
    debtor_id: int
    attempts: int


def read_foreign_settings(context: StepContext) -> int:
    """Ask for the settings that are due, and bring new accounts to those that are known."""
    if not context.transaction.policy.realm.bits:
        return 0
    dues = _take_due(context)
    if dues:
        _store(context, dues, asyncio.run(_ask(context.settings, dues)))
    return len(dues) + _initialize(context)


def find_foreign_currencies(context: StepContext) -> int:
    """Enroll the currencies of all accounts here whose root is elsewhere; forget those without accounts."""
    realm = context.transaction.policy.realm
    if not realm.bits:
        return 0
    now = context.until
    with context.connection, context.connection.cursor() as cursor:
        cursor.execute(_REMOVE, {"before": now - _DAY, "now": now})
        cursor.execute(_FIND_DEBTORS)
        found = [debtor_id for (debtor_id,) in cursor if not realm.owns(debtor_id, ROOT_CREDITOR_ID)]
        cursor.execute(_ENROLL, [found, now])
    return 0


def _take_due(context: StepContext) -> list[_Due]:
    settings, now = context.settings, context.transaction.clock()
    longest = seconds(max(settings.root_config_cache_ttl, settings.fetch_retry_max_delay))
    with context.connection, context.connection.cursor() as cursor:
        cursor.execute(_ENROLL_NEW, {"now": now})
        due = {
            "until": context.until,
            "latest": max(context.until, latest_due(longest, now)),
            "lease": later_by(now, asking_time(settings)),
            "limit": min(_MOST_ASKED, settings.root_config_cache_size),
        }
        cursor.execute(_TAKE_DUE, due)
        return [_Due(*row) for row in cursor.fetchall()]


async def _ask(settings: Settings, dues: Sequence[_Due]) -> "list[Config | None]":
    # Only a shard of several needs a client of HTTP.
    from swpt_accounts.shards.client import ShardClient

    assert settings.fetch_api_url is not None, "the settings of a shard are checked"
    client = ShardClient(
        settings.fetch_api_url,
        timeout_seconds=settings.fetch_timeout,
        connections=settings.fetch_connections,
    )
    try:
        return await asyncio.gather(*(client.ask_config(due.debtor_id) for due in dues))
    finally:
        await client.close()


def _store(context: StepContext, dues: Sequence[_Due], answers: "Sequence[Config | None]") -> None:
    """Keep what was read, and have it carried to all accounts if it is news."""
    settings, now = context.settings, context.transaction.clock()
    with context.connection, context.connection.cursor() as cursor:
        for due, answer in sorted(zip(dues, answers, strict=True), key=lambda pair: pair[0]):
            values = {"debtor_id": due.debtor_id, "now": now}
            if answer is None:
                cursor.execute(_PUT_OFF, {**values, "next": later_by(now, _pause(settings, due.attempts))})
                continue
            # Not all at the same moment, also if all were found at the same moment.
            rest = seconds(settings.root_config_cache_ttl * random.uniform(0.9, 1.0))  # noqa: S311
            new = {**values, "config_data": answer.config_data, "next": later_by(now, rest)}
            cursor.execute(_STORE, new)
            row = cursor.fetchone()
            if row is not None and row[0] and answer.config_data is not None:
                cursor.execute(REQUEST_PROPAGATION, values)


def _pause(settings: Settings, attempts: int) -> int:
    longest = settings.fetch_retry_max_delay
    pause: float = min(longest, _FIRST_RETRY_SECONDS * 2.0 ** min(attempts, 40))
    return seconds(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, keeps no secret


def _initialize(context: StepContext) -> int:
    """Bring new and revived accounts to the settings of their currencies, with a second AccountUpdate."""
    transaction = context.transaction
    now, longest = transaction.clock(), transaction.policy.settings_max_age
    bounds = {"oldest": now - longest, "newest": now + most_ahead(longest), "limit": _MOST_ACCOUNTS}
    with context.connection, context.connection.cursor() as cursor:
        cursor.execute(_FIND_NEWCOMERS, bounds)
        keys: list[AccountKey] = cursor.fetchall()
        if not keys:
            return 0
        owned = list(filter(transaction.policy.realm.owns_key, keys))
        book = open_book(cursor, transaction, owned)
        for key in owned:
            attempt(
                partial(apply_settings, book, key),
                key,
                "brought to the settings of its currency",
                otherwise=False,
            )
        outcome = close_book(cursor, transaction, book)
        cursor.execute(_FORGET, arrays(columns.ACCOUNT_KEY, keys))
    context.finish(outcome)
    return len(keys)
