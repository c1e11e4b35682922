"""A database in the form of the public reference server's, made by SQL."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from swpt_accounts.storage import connections
from swpt_accounts.wire.moments import to_datetime
from tests.backstage.builders import ALICE, BOB, DAY, DEBTOR, HOUR, NOW, ROOT

SIGNALS: Final = (
    "account_purge_signal",
    "account_transfer_signal",
    "account_update_signal",
    "finalized_transfer_signal",
    "pending_balance_change_signal",
    "prepared_transfer_signal",
    "rejected_config_signal",
    "rejected_transfer_signal",
)
WAITING: Final = (*SIGNALS, "finalization_request", "pending_balance_change", "transfer_request")

_TABLES: Final = f"""
CREATE TABLE account (
    debtor_id bigint NOT NULL,
    creditor_id bigint NOT NULL,
    creation_date date NOT NULL,
    last_change_seqnum integer NOT NULL DEFAULT 0,
    last_change_ts timestamptz NOT NULL,
    principal bigint NOT NULL DEFAULT 0 CHECK (principal > -9223372036854775808),
    interest_rate real NOT NULL DEFAULT 0,
    interest double precision NOT NULL DEFAULT 0,
    last_interest_rate_change_ts timestamptz NOT NULL DEFAULT '1970-01-01Z',
    last_config_ts timestamptz NOT NULL DEFAULT '1970-01-01Z',
    last_config_seqnum integer NOT NULL DEFAULT 0,
    last_transfer_number bigint NOT NULL DEFAULT 0,
    last_transfer_committed_at timestamptz NOT NULL DEFAULT '1970-01-01Z',
    negligible_amount real NOT NULL DEFAULT 0,
    config_flags integer NOT NULL DEFAULT 0,
    config_data varchar NOT NULL DEFAULT '',
    debtor_info_iri varchar,
    debtor_info_content_type varchar,
    debtor_info_sha256 bytea,
    status_flags integer NOT NULL DEFAULT 0,
    total_locked_amount bigint NOT NULL DEFAULT 0,
    pending_transfers_count integer NOT NULL DEFAULT 0,
    last_transfer_id bigint NOT NULL,
    previous_interest_rate real NOT NULL DEFAULT 0,
    last_heartbeat_ts timestamptz NOT NULL,
    last_interest_capitalization_ts timestamptz NOT NULL DEFAULT '1970-01-01Z',
    last_deletion_attempt_ts timestamptz NOT NULL DEFAULT '1970-01-01Z',
    pending_account_update boolean NOT NULL DEFAULT false,
    PRIMARY KEY (debtor_id, creditor_id)
);
CREATE TABLE prepared_transfer (
    debtor_id bigint NOT NULL,
    sender_creditor_id bigint NOT NULL,
    transfer_id bigint NOT NULL,
    coordinator_type varchar(30) NOT NULL,
    coordinator_id bigint NOT NULL,
    coordinator_request_id bigint NOT NULL,
    recipient_creditor_id bigint NOT NULL,
    prepared_at timestamptz NOT NULL,
    final_interest_rate_ts timestamptz NOT NULL,
    demurrage_rate double precision NOT NULL,
    deadline timestamptz NOT NULL,
    locked_amount bigint NOT NULL,
    last_reminder_ts timestamptz,
    PRIMARY KEY (debtor_id, sender_creditor_id, transfer_id)
);
CREATE TABLE registered_balance_change (
    debtor_id bigint NOT NULL,
    other_creditor_id bigint NOT NULL,
    change_id bigint NOT NULL,
    committed_at timestamptz NOT NULL,
    is_applied boolean NOT NULL DEFAULT false,
    PRIMARY KEY (debtor_id, other_creditor_id, change_id)
);
{"".join(f"CREATE TABLE {name} (debtor_id bigint PRIMARY KEY);" for name in WAITING)}
"""

CREATED: Final = NOW - NOW % DAY - 10 * DAY
"""The midnight at which the accounts were created: ten days ago, which may be in this month or the last."""

FIRST_ID: Final = CREATED // DAY << 40
INFO: Final = ("https://example.com/currency", "text/plain", bytes(range(32)))


class Reference:
    """The database of a reference server that is stopped."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        self.execute(_TABLES)

    def execute(self, statement: str, *parameters: object) -> None:
        """Run a statement in a transaction of its own."""
        with self._cursor() as cursor:
            cursor.execute(statement, parameters)

    def rows(self, query: str) -> list[Any]:
        """What a query finds."""
        with self._cursor() as cursor:
            cursor.execute(query)
            found: list[Any] = cursor.fetchall()
            return found

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        with connections.session(self.url, "a test") as connection, connection, connection.cursor() as cursor:
            yield cursor

    def insert(self, table: str, row: Mapping[str, object]) -> None:
        """A row of a table."""
        names, places = ", ".join(row), ", ".join(["%s"] * len(row))
        self.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", *row.values())

    def account(self, creditor_id: int, **fields: object) -> None:
        """An account that was changed an hour before `NOW`."""
        values = {
            "debtor_id": DEBTOR,
            "creditor_id": creditor_id,
            "creation_date": to_datetime(CREATED).date(),
            "last_change_ts": to_datetime(NOW - HOUR),
            "last_change_seqnum": 17,
            "last_heartbeat_ts": to_datetime(NOW - DAY),
            "last_config_ts": to_datetime(CREATED + HOUR),
            "last_config_seqnum": 3,
            "last_transfer_id": FIRST_ID,
        }
        self.insert("account", values | fields)

    def transfer(self, transfer_id: int, **fields: object) -> None:
        """A prepared transfer of 100 from Alice to Bob."""
        values = {
            "debtor_id": DEBTOR,
            "sender_creditor_id": ALICE,
            "transfer_id": transfer_id,
            "coordinator_type": "direct",
            "coordinator_id": ALICE,
            "coordinator_request_id": transfer_id - FIRST_ID,
            "recipient_creditor_id": BOB,
            "prepared_at": to_datetime(NOW - 2 * HOUR),
            "final_interest_rate_ts": "9999-12-31T23:59:59Z",
            "demurrage_rate": -50.0,
            "deadline": to_datetime(NOW + 30 * DAY + 1),
            "locked_amount": 100,
        }
        self.insert("prepared_transfer", values | fields)

    def story(self) -> None:
        """A currency in the middle of its life: 1000 issued, 600 with Alice, 400 with Bob, one deleted."""
        iri, content_type, sha256 = INFO
        info = {
            "debtor_info_iri": iri,
            "debtor_info_content_type": content_type,
            "debtor_info_sha256": sha256,
            "interest_rate": 2.3,
            "previous_interest_rate": 1.1,
            "last_interest_rate_change_ts": to_datetime(CREATED + HOUR + 123456),
        }
        config = '{"rate": 2.3, "info": {"iri": "https://example.com/currency", "contentType": "text/plain"}}'
        self.account(ROOT, principal=-1000, config_data=config, debtor_info_iri=iri)
        self.account(
            ALICE,
            principal=600,
            interest=0.25,
            last_transfer_number=5,
            last_transfer_committed_at=to_datetime(NOW - HOUR),
            last_transfer_id=FIRST_ID + 9,
            negligible_amount=0.1,
            total_locked_amount=200,
            pending_transfers_count=2,
            pending_account_update=True,
            **info,
        )
        self.account(BOB, principal=400, last_transfer_number=2, **info)
        self.account(
            BOB + 1, status_flags=1, config_flags=1, last_deletion_attempt_ts=to_datetime(NOW - DAY), **info
        )
        self.transfer(FIRST_ID + 7, last_reminder_ts=to_datetime(NOW - HOUR))
        self.transfer(FIRST_ID + 8)

    def crowd(self, accounts: int, transfers: int) -> None:
        """So many accounts with 1000 each, and transfers prepared by the first of them, one each."""
        self.account(ROOT, principal=-1000 * accounts)
        day, now = to_datetime(CREATED), to_datetime(NOW)
        self.execute(
            "INSERT INTO account (debtor_id, creditor_id, creation_date, last_change_ts, last_heartbeat_ts,"
            " last_change_seqnum, principal, interest_rate, debtor_info_iri, last_transfer_number,"
            " last_transfer_id, total_locked_amount, pending_transfers_count)"
            " SELECT %s, 4294967296 + n, %s, %s, %s, n, 1000, 2.3, 'https://example.com/currency', n %% 50,"
            " %s + n, CASE WHEN n <= %s THEN 100 ELSE 0 END, (n <= %s)::int FROM generate_series(1, %s) AS n",
            *(DEBTOR, day.date(), now, now, FIRST_ID, transfers, transfers, accounts),
        )
        self.execute(
            "INSERT INTO prepared_transfer"
            " SELECT debtor_id, creditor_id, last_transfer_id, 'direct', creditor_id, 1, creditor_id + 1, %s,"
            " '9999-12-31T23:59:59Z', -50, %s, 100, NULL FROM account WHERE pending_transfers_count = 1",
            *(now, to_datetime(NOW + 30 * DAY)),
        )
