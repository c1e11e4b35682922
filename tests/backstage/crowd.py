"""A database in which very much has happened: rows made by SQL, for pages that must be quick on them."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Final, NamedTuple

from swpt_accounts.storage import connections
from swpt_accounts.storage.partitions import make_partitions
from swpt_accounts.wire.moments import Moment, render_timestamp
from tests.backstage.builders import ALICE, DAY, DEBTOR, ROOT, configure

from .stand import Stand
from .stories import wait_for_agent

SHOP: Final = ALICE
"""The account that takes part in every tenth transfer."""

_DAYS: Final = 75
_PART: Final = 1_000_000

# Nine accounts of ten belong to one debtor, the others to debtors with a hundred each.  The physical
# order is not the order of the keys, as it is where people open accounts when they like.
_OWNER: Final = f"CASE WHEN n %% 10 < 9 THEN {DEBTOR} ELSE {DEBTOR + 1} + n / 1000 END"

_ACCOUNTS: Final = f"""
INSERT INTO account (
    debtor_id, creditor_id, created_at, interest_rate, previous_interest_rate, last_interest_rate_change_ts,
    last_capitalization_ts, last_config_ts, last_config_seqnum, last_config_applied_at, negligible_amount,
    config_flags, debtor_info_id, last_deletion_ts, announced_settings, deleted, overflown,
    last_change_seqnum, last_change_ts, principal, interest, last_transfer_number,
    last_transfer_committed_at, last_transfer_id, total_locked_amount, pending_transfers_count,
    last_update_ts, last_delayed_update_ts, update_pending_since)
SELECT {_OWNER}, {SHOP} + n, %(begin)s + n, 0, 0, 0, %(begin)s, %(begin)s, 1, %(begin)s, 0,
    0, 0, 0, 0, false, false, 1, %(begin)s, n, 0, 0, 0, 0, 0, 0, %(begin)s, 0, 0
FROM generate_series(1, %(accounts)s - 1) AS n ORDER BY hashint8(n)
"""

_SUMMARIES: Final = """
INSERT INTO debtor_summary
SELECT debtor_id, %(now)s, count(*), 0, 0, 0, 0, 0, 0 FROM account GROUP BY debtor_id
"""

_JOURNAL: Final = f"""
INSERT INTO journal (
    applied_at, debtor_id, sender_creditor_id, recipient_creditor_id, amount, sender_principal,
    recipient_principal, sender_created_at, recipient_created_at, sender_transfer_number,
    recipient_transfer_number, committed_at, transfer_id, coordinator_id, coordinator_request_id,
    coordinator_type, transfer_note_format, transfer_note)
SELECT %(begin)s + n * %(step)s::bigint, {DEBTOR}, {SHOP} + (random() * (%(accounts)s - 1))::bigint,
    {SHOP} + CASE n %% 10 WHEN 0 THEN 0 ELSE (random() * (%(accounts)s - 1))::bigint END, 1, 1, 1,
    %(begin)s, %(begin)s, n, n, %(begin)s + n * %(step)s::bigint,
    ((%(begin)s + n * %(step)s::bigint) / 86400000000 << 40) + n, {SHOP} + n, n, 'direct', '',
    'a note of ' || n
FROM generate_series(%(first)s, %(last)s) AS n
"""

_REFUSALS: Final = f"""
INSERT INTO refusal (refused_at, kind, code, debtor_id, creditor_id, coordinator_type, coordinator_id,
    coordinator_request_id, total_locked_amount)
SELECT %(now)s - n * 500000::bigint, 'transfer', 'INSUFFICIENT_AVAILABLE_AMOUNT', {DEBTOR},
    {SHOP} + CASE n %% 10 WHEN 0 THEN 0 ELSE (random() * (%(accounts)s - 1))::bigint END, 'direct',
    {SHOP}, n, 0
FROM generate_series(1, %(accounts)s) AS n
"""

_PREPARED: Final = f"""
INSERT INTO prepared_transfer (debtor_id, creditor_id, transfer_id, coordinator_id, coordinator_request_id,
    recipient_creditor_id, locked_amount, prepared_at, deadline, final_interest_rate_ts, coordinator_type)
SELECT {DEBTOR}, {SHOP} + CASE n %% 10 WHEN 0 THEN 0 ELSE (random() * (%(accounts)s - 1))::bigint END, n,
    {SHOP}, n, {SHOP} + 1, 1, %(now)s - n, %(now)s + 86400000000, 0, 'direct'
FROM generate_series(1, %(accounts)s / 5) AS n
"""

_UPDATES: Final = """
INSERT INTO account_update_due
SELECT debtor_id, creditor_id, %(now)s FROM account WHERE creditor_id %% 10 = 0
"""

_DEAD_LETTERS: Final = """
INSERT INTO dead_letter (received_at, reason, detail, queue, exchange, routing_key, properties, body,
    body_size, body_sha256)
SELECT %(now)s - n, 'bad_field', 'of its own kind', 'swpt_accounts', 'accounts_in', '0.1', '', '{}', 2, ''
FROM generate_series(1, %(accounts)s / 50) AS n
"""

_AUDIT: Final = """
INSERT INTO audit (happened_at, operator, origin, action, target, detail)
SELECT %(now)s - n, 'somebody', '127.0.0.1', 'chores run', n::text, ''
FROM generate_series(1, %(accounts)s / 10) AS n
"""

_OUTBOX: Final = """
INSERT INTO outbox (created_at, type_counts, accounts, payload, attempts, next_attempt_at, last_failure)
SELECT created_at, type_counts, accounts, payload, attempts, next_attempt_at, last_failure
FROM outbox, generate_series(1, %(accounts)s / 50)
"""

_STATEMENTS: Final = {
    "account": _ACCOUNTS,
    "debtor_summary": _SUMMARIES,
    "refusal": _REFUSALS,
    "prepared_transfer": _PREPARED,
    "account_update_due": _UPDATES,
    "dead_letter": _DEAD_LETTERS,
    "audit": _AUDIT,
    "outbox": _OUTBOX,
}
"""By the table that each of them fills."""

BIG_TABLES: Final = frozenset({"account", "journal", "refusal", "prepared_transfer"})
"""Tables that nothing may read from their beginning to their end; partitions of the journal count as well."""


class Crowd(NamedTuple):
    """How much there is: of the rest in proportion to the accounts."""

    accounts: int
    entries: int


def make_crowd(stand: Stand, crowd: Crowd, now: Moment) -> Iterator[str]:
    """Make it in steps of some seconds, and say before each what it makes."""
    begin = now - _DAYS * DAY
    values = {"now": now, "begin": begin, "step": (now - begin) // crowd.entries, "accounts": crowd.accounts}
    stand.replace(clock=lambda: begin)
    stand.apply(configure(ROOT, config_data='{"rate":0}', negligible_amount=1e30, ts=begin))
    wait_for_agent(stand, SHOP, failure="returned")
    for month in (begin, begin + 31 * DAY, now):
        make_partitions(stand.connection, month)
    for name, statement in _STATEMENTS.items():
        yield name
        _run(stand, statement, values)
    for first in range(1, crowd.entries + 1, _PART):
        yield f"journal from {first:,}"
        last = min(first + _PART - 1, crowd.entries)
        _run(stand, _JOURNAL, values | {"first": first, "last": last})
    # As autovacuum does some minutes after so much has come.
    with closing(connections.connect(stand.postgres_url, "vacuum")) as connection:
        connection.autocommit = True
        for table in (*_STATEMENTS, "journal"):
            yield f"statistics of {table}"
            with connection.cursor() as cursor:
                cursor.execute(f"VACUUM ANALYZE {table}")


def _run(stand: Stand, statement: str, values: Mapping[str, int]) -> None:
    with stand.connection, stand.connection.cursor() as cursor:
        cursor.execute(statement, values)


def addresses(stand: Stand, now: Moment) -> dict[str, str]:
    """Pages of the console and routes of the admin API, on the biggest of everything, by what they are."""
    middle = now - _DAYS * DAY // 2
    query = "SELECT sender_creditor_id, transfer_id FROM journal WHERE applied_at > %s"
    [(sender, transfer_id)] = stand.rows(query + " ORDER BY applied_at LIMIT 1", middle)
    [(dead_letter_id,)] = stand.rows("SELECT max(dead_letter_id) FROM dead_letter")
    since, until = (render_timestamp(at).replace("+00:00", "Z") for at in (middle, middle + DAY))
    shop = f"debtors/{DEBTOR}/accounts/{SHOP}"
    console = {
        "overview": "",
        "debtors": "debtors",
        "accounts of a debtor": f"debtors/{DEBTOR}",
        "accounts with locks": f"debtors/{DEBTOR}?state=locked",
        "accounts that have overflown": f"debtors/{DEBTOR}?state=overflown",
        "accounts from an id on": f"debtors/{DEBTOR}?first={SHOP + 500}",
        "account": f"debtors/{DEBTOR}/accounts/{sender}",
        "busiest account": shop,
        "busiest account, a day": f"{shop}?since={since}&until={until}",
        "busiest account, oldest first": f"{shop}?order=oldest",
        "transfer": f"debtors/{DEBTOR}/accounts/{sender}/transfers/{transfer_id}",
        "prepared transfers": "prepared-transfers",
        "prepared transfers, overdue": "prepared-transfers?overdue=yes",
        "prepared transfers of an account": f"{shop}/prepared-transfers",
        "refusals": "refusals",
        "refusals of a debtor": f"refusals?debtor_id={DEBTOR}",
        "refusals of an account, a day": f"refusals?debtor_id={DEBTOR}&creditor_id={SHOP}&since={since}",
        "refusals for one reason": "refusals?code=TIMEOUT",
        "refusals of a request": "refusals?coordinator_request_id=77",
        "dead letters": "dead-letters",
        "dead letters for one reason": "dead-letters?reason=bad_json",
        "dead letter": f"dead-letters/{dead_letter_id}",
        "outbox": "outbox",
        "chores": "chores",
        "audit": "audit",
        "search for an account": f"search?q={DEBTOR}/{SHOP}",
        "search for a creditor": f"search?q={SHOP + 19}",
        "search for a transfer": f"search?q={transfer_id}",
        "search for a request": "search?q=150077",
        "search for nothing": "search?q=-4242424242",
    }
    request = f"coordinator_type=direct&coordinator_id={SHOP}&coordinator_request_id=77"
    api = {
        "debtor": f"debtors/{DEBTOR}",
        "account": shop,
        "ledger": f"{shop}/ledger",
        "ledger, oldest first": f"{shop}/ledger?order=oldest&limit=100",
        "principal in the past": f"{shop}/principal?at={since}",
        "principals": f"{shop}/principals?since={since}&until={until}&points=400",
        "transfer by request": f"transfers?debtor_id={DEBTOR}&{request}&since={since}&until={until}",
        "prepared transfers": f"prepared-transfers?debtor_id={DEBTOR}",
        "rows of the outbox": "outbox/rows",
        "agents": "outbox/agents",
    }
    return {name: f"/admin/{path}" for name, path in console.items()} | {
        f"API: {name}": f"/admin/api/v1/{path}" for name, path in api.items()
    }
