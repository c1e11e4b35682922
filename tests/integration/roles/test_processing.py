"""Batches that fail: whose fault it is, who is isolated, and who is never condemned."""

import logging
import re
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from swpt_accounts.broker import Batch, Intake, MemorySmpBroker, MemoryTransport
from swpt_accounts.broker.batch import Delivered
from swpt_accounts.roles.gate import Gate
from swpt_accounts.roles.worker.processing import Processor
from swpt_accounts.runtime import clock, metrics
from swpt_accounts.runtime.settings import load
from swpt_accounts.storage.outbox.publishing import Outbox, RetryDelays
from swpt_accounts.transactions.account_memory import AccountMemory
from swpt_accounts.transactions.context import make_context
from swpt_accounts.transactions.debtor_infos import DebtorInfos
from tests.backstage.builders import ALICE, DEBTOR, NOW, POLICY, configure, journal_of, month_later, request
from tests.backstage.stories import issue, seed
from tests.backstage.waiting import wait_until
from tests.backstage.wire import delivered, digest_of, redelivered

POISON = 666.0

# A message with the poisonous amount makes the database raise an error; each time is counted,
# also if the transaction is rolled back.
TRIGGER = """
CREATE SEQUENCE IF NOT EXISTS tries;
CREATE OR REPLACE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.negligible_amount = 666 AND nextval('tries') <= {most} THEN
        RAISE EXCEPTION 'poison' USING ERRCODE = '{code}';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER poison BEFORE INSERT ON account FOR EACH ROW EXECUTE FUNCTION poison();
"""
CURE = "DROP TRIGGER poison ON account; DROP FUNCTION poison; DROP SEQUENCE tries"
ALWAYS = 10**9


def batch_of(items: Iterable[Any]) -> Batch:
    """Messages and deliveries as a batch."""
    return Batch([one if isinstance(one, Delivered) else delivered(one) for one in items])


class Line:
    """A processor with everything behind it; the messages come from the test."""

    def __init__(self, postgres_url: str, **options: Any) -> None:
        settings = load({"POSTGRES_URL": postgres_url})
        transport = MemoryTransport()
        transport.declare_topology("swpt_accounts", "#")
        publisher = MemorySmpBroker(transport, Intake(lambda delivery: None)).make_publisher()
        self.outbox = Outbox(postgres_url, publisher, RetryDelays(1.0, 300.0), clock.utcnow)
        self.gate = Gate(lambda: "")
        self.processor = Processor(
            postgres_url,
            POLICY,
            self.outbox,
            self.gate,
            partial(self._context, settings),
            max_delivery_attempts=5,
            **options,
        )
        self._infos = DebtorInfos()
        self._memory = AccountMemory()

    def _context(self, settings, policy):
        key = self.outbox.publisher_key
        return make_context(settings, policy, key, infos=self._infos, memory=self._memory, now=now)

    def process(self, *items: Any) -> Batch:
        """Process a batch of messages and deliveries."""
        batch = batch_of(items)
        self.processor.process(batch)
        return batch

    @contextmanager
    def processing(self, *items: Any) -> Iterator[Batch]:
        """Process a batch meanwhile; at the end of the context it must come to an end."""
        batch = batch_of(items)
        thread = threading.Thread(target=self.processor.process, args=(batch,), daemon=True)
        thread.start()
        try:
            yield batch
            thread.join(20)
            assert not thread.is_alive()
        finally:
            self.processor.stop()
            thread.join(20)


def now() -> int:
    """The moment of all these stories."""
    return NOW


@pytest.fixture
def line(stand) -> Iterator[Line]:
    """A processor on the database of the stand."""
    line = Line(stand.postgres_url)
    yield line
    line.processor.close()


@pytest.fixture
def poison(stand) -> Iterator[Callable[..., None]]:
    """Makes the poisonous messages raise errors with this SQLSTATE, the first `most` times."""

    def make(code: str, most: int = ALWAYS) -> None:
        stand.execute(TRIGGER.format(code=code, most=most))

    yield make
    stand.execute("DROP FUNCTION IF EXISTS poison CASCADE; DROP SEQUENCE IF EXISTS tries")


def poisonous(creditor_id: int = 666, **fields: Any):
    """A message that breaks its batch."""
    return configure(creditor_id, negligible_amount=POISON, **fields)


def harmless(count: int, first: int = 1000):
    """Messages that create accounts."""
    return [configure(first + number) for number in range(count)]


def dead_letters(stand):
    """What is in the table of dead letters."""
    return stand.rows("SELECT reason, detail FROM dead_letter ORDER BY dead_letter_id")


@pytest.mark.parametrize("place", [0, 17, 39])
def test_only_the_culprit_becomes_a_dead_letter(stand, line, poison, caplog, place):
    """A message that fails again and again is found by bisection, and its neighbours are applied (S8)."""
    poison("22012")
    messages = harmless(39)
    culprit = poisonous()
    batch = line.process(*messages[:place], culprit, *messages[place:])
    assert batch.settled
    assert stand.count("account") == 39
    assert dead_letters(stand) == [("internal_error", "DivisionByZero: poison")]
    assert stand.count("delivery_attempt") == 0
    lone = [record.message for record in caplog.records if record.message.startswith("Attempt ")]
    assert [text.partition(" fails")[0] for text in lone] == [f"Attempt {n} of 5" for n in range(1, 6)]
    # Halves of 40 down to one: six or seven tries that fail, and then the lone ones.
    assert stand.value("SELECT last_value FROM tries") <= 7 + 5
    assert any(
        record.levelno == logging.ERROR and "ALARM: dead letter, internal_error" in record.message
        for record in caplog.records
    )


def test_a_bug_in_a_decoder_is_isolated_as_well(stand, line):
    """An error in place of a message is one message's trouble."""
    batch = line.process(*harmless(3), delivered(ValueError("what\nis this")), *harmless(3, 2000))
    assert batch.settled
    assert stand.count("account") == 6
    assert dead_letters(stand) == [("internal_error", "ValueError: what")]


def test_a_message_that_recovers_is_applied(stand, line, poison):
    """A lone try that succeeds forgets those that failed."""
    poison("22012", most=3)
    assert line.process(poisonous(), *harmless(1)).settled
    assert stand.count("account") == 2
    assert dead_letters(stand) == []
    assert stand.count("delivery_attempt") == 0


def test_attempts_survive_the_process(stand, line, poison):
    """They are written down before each try: a message that has killed the process five times is out."""
    poison("22012")
    record = "INSERT INTO delivery_attempt VALUES (%s, %s, %s)"
    stand.execute(record, digest_of(poisonous(1)), 5, NOW)
    stand.execute(record, digest_of(poisonous(2)), 4, NOW)
    suspects = [delivered(poisonous(creditor_id), **redelivered(5)) for creditor_id in (1, 2)]
    assert line.process(*suspects, *harmless(2)).settled
    assert dead_letters(stand) == [
        ("internal_error", "the process died of it"),
        ("internal_error", "DivisionByZero: poison"),
    ]
    assert stand.value("SELECT last_value FROM tries") == 1
    assert stand.count("account") == 2


def test_a_message_that_came_often_is_processed_alone(stand, line):
    """A high x-delivery-count condemns nobody; what comes before and after keeps its order."""
    batch = line.process(
        configure(ALICE),
        delivered(configure(ALICE, seqnum=1), **redelivered(1000)),
        configure(ALICE, seqnum=2),
        configure(ALICE, seqnum=3),
        delivered(configure(ALICE, seqnum=4), **redelivered(4)),
    )
    assert batch.settled
    assert stand.account(ALICE).last_config_seqnum == 4
    assert stand.account(ALICE).last_change_seqnum == 5
    assert dead_letters(stand) == []
    assert stand.count("delivery_attempt") == 0


def test_the_log_has_the_trace_of_a_message_that_is_given_up(line, poison, caplog):
    """Whoever keeps a dead letter `internal_error` until it is mended finds where it happened, once."""
    poison("22012")
    line.process(poisonous(), *harmless(1))
    traced = [record for record in caplog.records if record.exc_info]
    assert [record.message.partition(" fails")[0] for record in traced] == ["Attempt 5 of 5"]
    [(kind, _, trace)] = [record.exc_info for record in traced]
    assert kind.__name__ == "DivisionByZero"
    assert "close_book" in [frame.name for frame in traceback.extract_tb(trace)]


def test_too_many_culprits_are_our_own_fault(stand, line, poison, caplog):
    """If many messages fail, nobody is condemned, all are absolved, and the batch comes again."""
    poison("22012")
    with line.processing(*harmless(16), *(poisonous(number) for number in range(4))) as batch:
        wait_until(lambda: any(record.levelno == logging.CRITICAL for record in caplog.records))
        assert stand.count("delivery_attempt") == 0
        line.processor.stop()
    assert not batch.settled
    assert dead_letters(stand) == []
    assert stand.count("account") == 16
    assert any("ALARM: 4 of 20 messages fail" in record.message for record in caplog.records)


def test_a_few_culprits_in_a_big_batch_are_theirs(stand, line, poison):
    """Up to a tenth of a batch may be put aside."""
    poison("22012")
    assert line.process(*harmless(57), *(poisonous(number) for number in range(3))).settled
    assert [reason for reason, _ in dead_letters(stand)] == ["internal_error"] * 3
    assert stand.count("account") == 57


def test_the_database_refusing_to_store_it_is_a_messages_fault(stand, line):
    """A constraint that only one message violates isolates this message."""
    stand.execute("ALTER TABLE account ADD CONSTRAINT odd CHECK (negligible_amount <> 666)")
    try:
        assert line.process(*harmless(5), poisonous()).settled
    finally:
        stand.execute("ALTER TABLE account DROP CONSTRAINT odd")
    [(reason, detail)] = dead_letters(stand)
    assert reason == "internal_error"
    assert detail.startswith('CheckViolation: new row for relation "account" violates check constraint "odd"')


@pytest.mark.parametrize(
    "code",
    ["08006", "25006", "28000", "3D000", "42P01", "53100", "53300", "54000", "55000", "57P03", "58030"],
)
def test_infrastructure_condemns_nobody(stand, line, poison, caplog, code):
    """The messages are held until the database can serve them, however often it has failed."""
    caplog.set_level(logging.WARNING)
    poison(code)
    with line.processing(*harmless(2), poisonous(), *harmless(2, 2000)) as batch:
        wait_until(lambda: "The database is away" in caplog.text)
        assert stand.count("account") == 0
        stand.execute(CURE)
    assert batch.settled
    assert stand.count("account") == 5
    assert dead_letters(stand) == []
    assert stand.count("delivery_attempt") == 0


MONTH = journal_of(NOW)
HIDE_TABLE = "ALTER TABLE outbox RENAME TO lost"
SHOW_TABLE = "ALTER TABLE lost RENAME TO outbox"
HIDE_PARTITIONS = f"""
ALTER TABLE journal DETACH PARTITION {MONTH};
ALTER TABLE journal DETACH PARTITION journal_default
"""
SHOW_PARTITIONS = f"""
ALTER TABLE journal ATTACH PARTITION journal_default DEFAULT;
ALTER TABLE journal ATTACH PARTITION {MONTH} FOR VALUES FROM ({month_later(0)}) TO ({month_later(1)})
"""


@pytest.mark.parametrize(
    ("illness", "cure"),
    [(HIDE_TABLE, SHOW_TABLE), (HIDE_PARTITIONS, SHOW_PARTITIONS)],
    ids=["missing table", "missing partition"],
)
def test_a_broken_schema_is_no_messages_fault(stand, line, caplog, illness, cure):
    """What an operator has to mend is waited for."""
    stand.execute(illness)
    try:
        with line.processing(*issue(), *harmless(2)) as batch:
            wait_until(lambda: "The database is away" in caplog.text)
            stand.execute(cure)
            cure = "SELECT 1"
    finally:
        stand.execute(cure)
    assert batch.settled
    assert stand.account(ALICE).principal == 1000
    assert dead_letters(stand) == []


def test_message_after_message_failing_is_our_own_fault(stand, line, poison, caplog):
    """On a quiet server a batch is one message: a few in a row are condemned, but not all for ever."""
    poison("22012")
    for number in range(3):
        assert line.process(poisonous(number)).settled
    with line.processing(poisonous(3)) as batch:
        wait_until(lambda: "ALARM: 4 messages in a row fail" in caplog.text)
        line.processor.stop()
    assert not batch.settled
    assert len(dead_letters(stand)) == 3
    assert stand.count("delivery_attempt") == 0


def test_a_success_in_between_ends_the_suspicion(stand, line, poison):
    """As long as other messages can be applied, the failing ones are to blame."""
    poison("22012")
    for number in range(5):
        assert line.process(poisonous(number)).settled
        assert line.process(configure(1000 + number)).settled
    assert len(dead_letters(stand)) == 5


def test_conflicts_are_tried_again_without_isolation(stand, line, poison, caplog):
    """Serialization failures and deadlocks never surface, and cost no attempts (rule S10)."""
    for code in ("40001", "40P01"):
        poison(code, most=4)
        stand.execute("ALTER SEQUENCE tries RESTART; DELETE FROM account")
        assert line.process(*harmless(3), poisonous()).settled
        assert stand.count("account") == 4
        assert stand.value("SELECT last_value FROM tries") == 5
    assert "looking for the culprit" not in caplog.text
    assert dead_letters(stand) == []


def test_an_endless_conflict_does_not_keep_the_process_alive(line, poison, caplog):
    """A worker that is asked to stop gives the batch back."""
    poison("40001")
    with line.processing(*harmless(1), poisonous()) as batch:
        wait_until(lambda: "Conflict 20, trying again" in caplog.text)
        line.processor.stop()
    assert not batch.settled


def test_patience_with_the_database_ends(caplog):
    """After a long outage the gate is shut, and the batch goes back to the queue."""
    line = Line("postgresql://nobody@127.0.0.1:1/nothing", patience_seconds=0.3)
    assert line.gate.is_open()
    batch = line.process(configure())
    assert not batch.settled
    assert "Taking no more messages until the database" in caplog.text
    assert not line.gate.is_open()
    line.gate.shut("for the test, with nothing to rehearse")
    assert wait_until(line.gate.is_open)


def test_a_lost_connection_is_replaced(stand, line):
    """The batch that found the connection dead is applied on a new one, and signed with a new number."""
    seed(stand)
    assert line.process(request(coordinator_request_id=1)).settled
    first_key = line.outbox.publisher_key
    for pid in stand.rows("SELECT pid FROM pg_stat_activity WHERE application_name = 'swpt_accounts worker'"):
        stand.rows("SELECT pg_terminate_backend(%s)", *pid)
    assert line.process(request(coordinator_request_id=2)).settled
    assert stand.account(ALICE, DEBTOR).pending_transfers_count == 2
    assert line.outbox.publisher_key != first_key
    holders = stand.rows(
        "SELECT (classid::int8 << 32) | objid::int8 FROM pg_locks WHERE locktype = 'advisory'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    assert holders == [(line.outbox.publisher_key,)]


@pytest.mark.parametrize(
    ("code", "most", "reason", "number"),
    [("40001", 3, "conflict", 3), ("57P03", 1, "outage", 1), ("22012", ALWAYS, "isolation", 5)],
)
def test_what_is_tried_again_is_counted(stand, line, poison, code, most, reason, number):
    """The counter of retries rises by the reason: another transaction, the database, or the message."""

    def counted() -> float:
        return metrics.REGISTRY.get_sample_value("retries_total", {"reason": reason}) or 0.0

    poison(code, most=most)
    before = counted()
    assert line.process(poisonous(), *harmless(1)).settled
    assert counted() - before == number


def test_log_lines_about_a_message_carry_its_ids(stand, line, poison, caplog):
    """Whoever reads that a message fails finds its account, and the row of its dead letter."""
    poison("22012")
    line.process(poisonous(), *harmless(1))
    logged = [
        record.__dict__["fields"]
        for record in caplog.records
        if re.match(r"A message|Attempt", record.message)
    ]
    assert {(one["type"], one["debtor_id"], one["creditor_id"]) for one in logged} == {
        ("ConfigureAccount", DEBTOR, 666)
    }
    [letter] = [record.__dict__["fields"] for record in caplog.records if "dead letter" in record.message]
    assert (letter["debtor_id"], letter["creditor_id"]) == (DEBTOR, 666)
    [digest] = stand.rows("SELECT encode(body_sha256, 'hex') FROM dead_letter")[0]
    assert digest.startswith(letter["body_sha256"])
