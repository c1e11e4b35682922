"""The ceiling: answers the same traffic with no database and no rules, and trusts whatever it is told.

It takes the same messages from the same kind of queue and publishes the same events with the same
headers, all from one process that keeps everything in a dictionary.  Nothing that keeps money can be
faster on this broker, so a server is told by its ratio to this.

It flatters itself: it acknowledges before its events are confirmed, and does not ask whether any queue
wants them.  With `--careful` it does as a server must, which tells what the broker takes for that.

    python -m benchmarks.ceiling amqp://guest:guest@localhost/bench
"""

import argparse
import sys
from collections import deque
from datetime import UTC, datetime
from typing import Final

import pika
from pika.exceptions import AMQPError

from .line import Headers, Line, message
from .manners import amqp_url, mannered
from .shapes import (
    ACCOUNTS_IN,
    EPOCH,
    FAR_FUTURE,
    TO_COORDINATORS,
    TO_CREDITORS,
    TO_DEBTORS,
    AccountTransfer,
    AccountUpdate,
    ConfigureAccount,
    FinalizedTransfer,
    FinalizeTransfer,
    PreparedTransfer,
    PrepareTransfer,
    account_id,
    agent_key,
    decode_command,
    encode,
)

QUEUE: Final = "ceiling"
READY: Final = "ready"
_PREFETCH: Final = 4000
_BATCH: Final = 1500
_MOST_UNSENT_BYTES: Final = 4_000_000


class _State:
    """What is remembered of an account."""

    __slots__ = ("principal", "seqnum", "transfer_id", "transfer_number")

    def __init__(self) -> None:
        self.principal = 0
        self.seqnum = 0
        self.transfer_id = 1 << 54
        self.transfer_number = 0


class Ceiling:
    """Everything that a server does besides the rules and the database."""

    def __init__(self, out: Line, *, is_careful: bool) -> None:
        self._out = out
        self._is_mandatory = is_careful
        self._accounts: dict[tuple[int, int], _State] = {}
        self._prepared: dict[tuple[int, int, int], tuple[int, str]] = {}

    def answer(self, body: bytes, now: datetime) -> None:
        """Publish the events of one message."""
        command = decode_command.decode(body)
        text = now.isoformat()
        if isinstance(command, PrepareTransfer):
            self._prepare(command, text)
        elif isinstance(command, FinalizeTransfer):
            self._finalize(command, text)
        else:
            self._configure(command, text)

    def _account(self, debtor_id: int, creditor_id: int) -> _State:
        return self._accounts.setdefault((debtor_id, creditor_id), _State())

    def _prepare(self, m: PrepareTransfer, now: str) -> None:
        account = self._account(m.debtor_id, m.creditor_id)
        account.transfer_id += 1
        self._prepared[m.debtor_id, m.creditor_id, account.transfer_id] = int(m.recipient), now
        event = PreparedTransfer(
            m.debtor_id,
            m.creditor_id,
            account.transfer_id,
            m.coordinator_type,
            m.coordinator_id,
            m.coordinator_request_id,
            m.max_locked_amount,
            m.recipient,
            now,
            -50.0,
            FAR_FUTURE,
            m.final_interest_rate_ts,
            now,
        )
        self._tell_coordinator(event)

    def _finalize(self, m: FinalizeTransfer, now: str) -> None:
        found = self._prepared.pop((m.debtor_id, m.creditor_id, m.transfer_id), None)
        if found is None:
            return
        recipient, prepared_at = found
        event = FinalizedTransfer(
            m.debtor_id,
            m.creditor_id,
            m.transfer_id,
            m.coordinator_type,
            m.coordinator_id,
            m.coordinator_request_id,
            m.committed_amount,
            "OK",
            0,
            prepared_at,
            now,
        )
        self._tell_coordinator(event)
        for creditor_id, acquired in (
            (m.creditor_id, -m.committed_amount),
            (recipient, m.committed_amount),
        ):
            self._credit(m, creditor_id, recipient, acquired, now)

    def _credit(self, m: FinalizeTransfer, creditor_id: int, recipient: int, acquired: int, now: str) -> None:
        account = self._account(m.debtor_id, creditor_id)
        account.principal += acquired
        if creditor_id == 0:
            return
        account.transfer_number += 1
        event = AccountTransfer(
            m.debtor_id,
            creditor_id,
            now[:10],
            account.transfer_number,
            m.coordinator_type,
            account_id(m.creditor_id),
            account_id(recipient),
            acquired,
            m.transfer_note,
            m.transfer_note_format,
            now,
            account.principal,
            now,
            account.transfer_number - 1,
        )
        self._tell(TO_CREDITORS, creditor_id, event)

    def _configure(self, m: ConfigureAccount, now: str) -> None:
        account = self._account(m.debtor_id, m.creditor_id)
        account.seqnum += 1
        event = AccountUpdate(
            m.debtor_id,
            m.creditor_id,
            now[:10],
            now,
            account.seqnum,
            account.principal,
            0.0,
            0.0,
            EPOCH,
            m.ts,
            m.seqnum,
            m.negligible_amount,
            m.config_flags,
            m.config_data,
            account_id(m.creditor_id),
            "",
            "",
            "",
            account.transfer_number,
            now,
            -50.0,
            7776000,
            500,
            now,
            604800,
        )
        if m.creditor_id == 0:
            self._tell(TO_DEBTORS, m.debtor_id, event)
        else:
            self._tell(TO_CREDITORS, m.creditor_id, event)

    def _tell_coordinator(self, event: PreparedTransfer | FinalizedTransfer) -> None:
        coordinator: Headers = (
            ("coordinator-id", event.coordinator_id),
            ("coordinator-type", event.coordinator_type),
        )
        self._tell(TO_COORDINATORS, event.coordinator_id, event, coordinator)

    def _tell(
        self,
        exchange: str,
        agent_id: int,
        event: PreparedTransfer | FinalizedTransfer | AccountTransfer | AccountUpdate,
        coordinator: Headers = (),
    ) -> None:
        type_ = type(event).__name__
        headers: Headers = (
            ("message-type", type_),
            ("debtor-id", event.debtor_id),
            ("creditor-id", event.creditor_id),
            *coordinator,
        )
        key, body = agent_key(agent_id), encode(event)
        self._out.publish(message(exchange, key, type_, headers, body, is_mandatory=self._is_mandatory))


def serve(amqp_url: str, *, is_careful: bool) -> None:
    """Answer until the end of the process."""
    source, out = Line(amqp_url), Line(amqp_url)
    out.confirm()
    source.consume(QUEUE, _PREFETCH)
    ceiling = Ceiling(out, is_careful=is_careful)
    unanswered: deque[tuple[int, int]] = deque()  # what is published when a message may be acknowledged
    print(READY, file=sys.stderr, flush=True)
    while True:
        bodies = source.turn(0.001 if out.unsent_bytes or unanswered else 0.05)
        while bodies and len(bodies) < _BATCH and (more := source.turn(0)):
            bodies += more
        now = datetime.now(UTC)
        for body in bodies:
            ceiling.answer(body, now)
        if bodies:
            unanswered.append((out.published, source.last_tag))
        out.turn(0)
        while unanswered and (not is_careful or unanswered[0][0] <= out.confirmed):
            source.ack(unanswered.popleft()[1])
        source.flush()
        while out.unsent_bytes > _MOST_UNSENT_BYTES:
            out.turn(0.01)


def declare(amqp_url: str) -> None:
    """Exchanges as the protocol wants them, and a queue like that of the server."""
    connection = pika.BlockingConnection(pika.URLParameters(amqp_url))
    channel = connection.channel()
    for name in (ACCOUNTS_IN, TO_CREDITORS, TO_DEBTORS):
        channel.exchange_declare(name, "topic", durable=True)
    channel.exchange_declare(TO_COORDINATORS, "headers", durable=True)
    targets = {"direct": TO_CREDITORS, "agent": TO_CREDITORS, "issuing": TO_DEBTORS}
    for coordinator_type, target in targets.items():
        arguments = {"x-match": "all", "coordinator-type": coordinator_type}
        channel.exchange_bind(target, TO_COORDINATORS, arguments=arguments)
    channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
    channel.queue_bind(QUEUE, ACCOUNTS_IN, "#")
    connection.close()


def main() -> None:
    """Answer on a virtual host until SIGTERM."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("amqp_url", type=amqp_url)
    parser.add_argument("--careful", action="store_true", help="acknowledge after the confirms, mandatory")
    options = parser.parse_args()
    with mannered(AMQPError, OSError):
        declare(options.amqp_url)
        serve(options.amqp_url, is_careful=options.careful)


if __name__ == "__main__":
    main()
