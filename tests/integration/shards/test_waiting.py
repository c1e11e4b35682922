"""Requests that wait for another shard, on a real database and over real HTTP (rules.md#waiting-requests)."""

import threading
from contextlib import suppress

import msgspec
import pytest

from swpt_accounts.broker import Batch
from swpt_accounts.events import PreparedTransfer, RejectedTransfer
from swpt_accounts.procedures import apply_answers, apply_batch
from swpt_accounts.roles.gate import Gate
from swpt_accounts.roles.worker.processing import Processor
from swpt_accounts.rules.facts import request_key
from swpt_accounts.rules.policy import Policy
from swpt_accounts.runtime import clock, metrics
from swpt_accounts.storage import eager
from swpt_accounts.wire.codes import INSUFFICIENT_AVAILABLE_AMOUNT, RECIPIENT_IS_UNREACHABLE
from tests.backstage import far_shards as far
from tests.backstage.builders import (
    DEBTOR,
    ROOT,
    SECOND,
    SHARD,
    configure,
    foreign_creditor,
    local_creditor,
    request,
)
from tests.backstage.far_shards import far_shards
from tests.backstage.room import Room, open_room
from tests.backstage.waiting import wait_until
from tests.backstage.wire import delivered

POLICY = Policy(realm=SHARD)
NEAR = local_creditor()
YES, NO = foreign_creditor(), foreign_creditor(start=2500)


@pytest.fixture
def shards():
    """The other half of the node; one account there accepts transfers."""
    with far_shards("1.#", reachable={(DEBTOR, YES)}) as shards:
        yield shards


@pytest.fixture
def here(stand):
    """One of two shards, with a sender who has 1000."""
    stand.replace(policy=POLICY, clock=clock.utcnow)
    stand.apply(configure(NEAR))
    stand.execute("UPDATE account SET principal = 1000")
    stand.execute("DELETE FROM outbox")
    return stand


def wanted(number: int = 1, recipient: int = YES, **fields):
    """A request for a transfer to the other shard."""
    return request(NEAR, recipient, coordinator_request_id=number, **fields)


def answered(here) -> dict[int, str]:
    """What has become of the requests so far: their ids with `prepared`, or the code of the refusal."""
    prepared = here.rows("SELECT coordinator_request_id FROM prepared_transfer")
    refused = here.rows("SELECT coordinator_request_id, code FROM refusal")
    return {number: "prepared" for (number,) in prepared} | dict(refused)


def wait_for(here, expected: dict[int, str]) -> None:
    """Wait until every request has its answer."""
    wait_until(lambda: answered(here) == expected, "the answers of the other shard", 60.0)
    assert here.count("waiting_request") == 0


# -- the step that takes a message ------------------------------------------------------------


def test_a_request_is_stored_with_all_its_terms_and_nothing_else_happens(here):
    """Its message can be acknowledged: the table has everything (P4)."""
    asked = wanted(min_locked_amount=3, max_commit_delay=77, final_interest_rate_ts=5 * SECOND)
    applied = here.apply(asked)
    assert applied.waiting == [asked]
    assert applied.stored is None
    assert here.rows("SELECT recipient_creditor_id, min_locked_amount, max_locked_amount, max_commit_delay,"
                     " final_interest_rate_ts, ts, attempts FROM waiting_request") == [
        (YES, 3, 100, 77, 5 * SECOND, asked.ts, 0)
    ]  # fmt: skip
    assert here.account(NEAR).total_locked_amount == 0


def test_a_repetition_is_ignored_while_the_first_one_waits(here):
    """In the same batch, and in a later one (P1)."""
    here.apply(wanted(), wanted())
    applied = here.apply(wanted(max_locked_amount=5))
    assert dict(applied.ignored) == {("PrepareTransfer", "P1"): 1}
    assert here.count("waiting_request") == 1


def test_two_workers_that_take_the_same_request_store_it_once(here):
    """Also if its sender does not exist, so that no lock stands between them."""
    asked = request(local_creditor(start=1900), YES)
    other = eager.connect(here.postgres_url, "another worker")
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            cursor.fetchone()
            cursor.execute(
                "INSERT INTO waiting_request VALUES (%s, %s, 'direct', %s, 1, %s, 0, 100, 0, 1, 0, 0, 0, 0)",
                [DEBTOR, asked.creditor_id, asked.creditor_id, YES],
            )
            thread = threading.Thread(target=here.insist, args=(asked,))
            thread.start()
            other.commit()
            thread.join(30.0)
    finally:
        other.close()
    assert here.count("waiting_request") == 1


# -- the step of an answer --------------------------------------------------------------------


def test_an_answer_prepares_or_rejects_and_removes_the_request(here):
    """In one transaction, as of now (behaviour 70)."""
    yes, no = wanted(1), wanted(2, NO)
    here.apply(yes, no)
    apply_answers(here.connection, {request_key(yes): True, request_key(no): False}, here.context)
    events = {event.coordinator_request_id: event for event in here.events()}
    assert isinstance(events[1], PreparedTransfer)
    assert (events[1].locked_amount, events[1].recipient) == (100, str(YES))
    assert isinstance(events[2], RejectedTransfer)
    assert events[2].status_code == RECIPIENT_IS_UNREACHABLE
    assert here.count("waiting_request") == 0
    assert here.account(NEAR).total_locked_amount == 100


def test_an_answer_that_comes_twice_does_nothing_the_second_time(here):
    """Two processes may have asked for the same request."""
    asked = wanted()
    here.apply(asked)
    for _ in range(2):
        apply_answers(here.connection, {request_key(asked): True}, here.context)
    assert here.count("prepared_transfer") == 1
    assert len(here.events()) == 1


def test_an_issuer_is_judged_by_its_limit(here):
    """The settings of the currency count at the answer, if a root account sends (P10)."""
    debtor = next(number for number in range(1, 999) if SHARD.owns(number, ROOT))
    far_one = next(number for number in range(2000, 3000) if not SHARD.owns(debtor, number))
    here.apply(configure(ROOT, debtor_id=debtor, negligible_amount=1e30, config_data='{"limit":10}'))
    asked = request(
        ROOT,
        far_one,
        debtor_id=debtor,
        coordinator_type="issuing",
        coordinator_id=debtor,
        min_locked_amount=11,
    )
    here.apply(asked)
    apply_answers(here.connection, {request_key(asked): True}, here.context)
    assert here.rows("SELECT code FROM refusal") == [("INSUFFICIENT_AVAILABLE_AMOUNT",)]


# -- a batch that takes answers along -----------------------------------------------------------


def take_batch(here, *messages, to):
    """Apply messages as a batch, together with answers to requests."""
    answers = {request_key(asked): says for asked, says in to}
    return apply_batch(here.connection, [delivered(one) for one in messages], here.context, answers)


def test_a_batch_decides_answers_with_its_messages(here):
    """In one transaction, with one row of the outbox: yes, no, and what its own messages want."""
    yes, no = wanted(1), wanted(2, NO)
    here.apply(yes, no)
    take_batch(here, request(NEAR, ROOT, coordinator_request_id=3), to=[(yes, True), (no, False)])
    assert answered(here) == {1: "prepared", 2: RECIPIENT_IS_UNREACHABLE, 3: "prepared"}
    assert here.count("waiting_request") == 0
    assert here.count("outbox") == 1
    assert here.account(NEAR).total_locked_amount == 200


def test_answers_come_before_the_messages_of_their_batch(here):
    """What an answer has locked is no longer there for a message, and its repetition is known (P2)."""
    asked = wanted(1, max_locked_amount=1000, min_locked_amount=1000)
    here.apply(asked)
    take_batch(
        here,
        asked,
        request(NEAR, ROOT, coordinator_request_id=2, min_locked_amount=1),
        to=[(asked, True)],
    )
    assert answered(here) == {1: "prepared", 2: INSUFFICIENT_AVAILABLE_AMOUNT}
    assert [type(event) for event in here.events()].count(PreparedTransfer) == 2


def test_an_answer_that_was_decided_before_does_nothing_in_a_batch(here):
    """Another process may have been faster."""
    asked = wanted()
    here.apply(asked)
    apply_answers(here.connection, {request_key(asked): True}, here.context)
    applied = take_batch(here, to=[(asked, True)])
    assert applied.stored is None
    assert here.count("prepared_transfer") == 1


def test_answers_that_can_not_be_stored_keep_no_message_from_being_taken(here, shards):
    """The batch goes on without them, and the room has them again."""
    here.execute("ALTER TABLE prepared_transfer ADD CONSTRAINT no_13 CHECK (coordinator_request_id <> 13)")
    broken, good = wanted(13), wanted(14)
    here.apply(broken, good)
    room = Room(here.postgres_url, shards.url, POLICY)
    answers = {request_key(broken): True, request_key(good): True}
    room.room.answers.put(answers.items())
    processor = Processor(
        here.postgres_url,
        POLICY,
        room.outbox,
        Gate(lambda: ""),
        lambda policy: msgspec.structs.replace(here.context, policy=policy),
        max_delivery_attempts=5,
        taken_along=room.room.taken_along,
    )
    try:
        batch = Batch([delivered(request(NEAR, ROOT, coordinator_request_id=1))])
        processor.process(batch)
        assert batch.settled
        assert answered(here) == {1: "prepared"}
        assert room.room.answers.take_along(1) == {}
        assert room.room.answers.take() == answers
    finally:
        processor.close()
        room.room.stop(5.0)
        here.execute("ALTER TABLE prepared_transfer DROP CONSTRAINT no_13")


# -- the room ----------------------------------------------------------------------------------


def test_the_room_decides_answers_with_which_a_batch_has_failed(here, shards):
    """By itself, whatever becomes of the batch."""
    asked = wanted()
    here.apply(asked)
    with open_room(here.postgres_url, shards.url, POLICY) as room:
        room.room.hand_over([asked])

        def is_answered() -> bool:
            with suppress(_BatchFailsError), room.room.taken_along(8):
                raise _BatchFailsError
            return answered(here) == {1: "prepared"}

        wait_until(is_answered, "the answer of the other shard", 60.0)


class _BatchFailsError(Exception):
    """A batch can not be done."""


def test_requests_are_asked_for_and_answered(here, shards):
    """What a worker has stored is asked for at once; a yes prepares, a no rejects (behaviour 70)."""
    requests = [wanted(number, YES if number % 2 else NO, max_locked_amount=1) for number in range(60)]
    here.apply(*requests)
    with open_room(here.postgres_url, shards.url, POLICY) as room:
        room.room.hand_over(requests)
        wait_for(here, {n: "prepared" if n % 2 else RECIPIENT_IS_UNREACHABLE for n in range(60)})
        assert room.memory.recall([(DEBTOR, YES), (DEBTOR, NO)]) == {(DEBTOR, YES)}
        # No agent is there to take them, so that they have come back.
        in_hand = "SELECT count(*) FROM outbox WHERE last_failure IS DISTINCT FROM 'returned'"
        wait_until(lambda: here.value(in_hand) == 0, "all answers published", 30.0)
    assert shards.asked[DEBTOR, YES] <= 3


@pytest.mark.parametrize(
    "manner",
    [
        far.answers(503),
        far.answers(404, b"no such page"),
        far.answers(302, Location="/"),
        far.resets,
        far.hangs,
    ],
    ids=far.name,
)
def test_no_answer_is_never_a_rejection(here, shards, manner):
    """The request waits, neither rejected nor prepared, until the shard is back (behaviour 70)."""
    shards.manner = manner
    here.apply(wanted())
    before = metrics.FETCH_FAILURES.labels("reachable")._value.get()
    with open_room(here.postgres_url, shards.url, POLICY, timeout_seconds=0.5) as room:
        room.room.hand_over([wanted()])
        wait_until(
            lambda: here.rows("SELECT attempts >= 2 FROM waiting_request") == [(True,)], "attempts", 60.0
        )
        assert answered(here) == {}
        shards.manner = far_shards_answer
        wait_for(here, {1: "prepared"})
    assert metrics.FETCH_FAILURES.labels("reachable")._value.get() >= before + 2


def far_shards_answer(shards, handler) -> bool:
    """The shard is well."""
    return False


def test_what_a_dead_process_had_in_hand_is_found_by_another(here, shards):
    """Nothing but time is lost: it is due when its lease ends (behaviour 70)."""
    here.apply(wanted())  # whoever has stored it tells nobody
    with open_room(here.postgres_url, shards.url, POLICY):
        here.execute("UPDATE waiting_request SET next_attempt_at = 0")
        wait_for(here, {1: "prepared"})


def test_a_child_of_a_split_leaves_the_requests_of_its_sibling_alone(here, shards):
    """Both children have what waited in their parent; a request that both decide has two answers."""
    here.apply(wanted(1), wanted(2))
    here.execute(f"UPDATE waiting_request SET creditor_id = {NO} WHERE coordinator_request_id = 1")
    here.execute("UPDATE waiting_request SET next_attempt_at = 0")
    with open_room(here.postgres_url, shards.url, POLICY):
        wait_until(lambda: answered(here) == {2: "prepared"}, "the answer of the other shard", 60.0)
    assert here.rows("SELECT creditor_id, next_attempt_at, attempts FROM waiting_request") == [(NO, 0, 0)]


def test_what_was_put_off_by_a_wrong_clock_is_found(here, shards):
    """No pause ends in ten years."""
    here.apply(wanted())
    here.execute("UPDATE waiting_request SET next_attempt_at = next_attempt_at + 315576000000000")
    with open_room(here.postgres_url, shards.url, POLICY):
        wait_for(here, {1: "prepared"})


def test_an_orderly_end_leaves_the_rest_to_others_at_once(here, shards):
    """Nobody waits for the lease of a process that has stopped."""
    shards.manner = far.hangs
    asked = [wanted(number) for number in range(5)]
    here.apply(*asked)
    with open_room(here.postgres_url, shards.url, POLICY) as room:
        room.room.hand_over(asked)
        wait_until(lambda: shards.running > 0, "a question that hangs", 30.0)
    now = clock.utcnow()
    assert here.value("SELECT count(*) FROM waiting_request WHERE next_attempt_at <= %s", now) == 5


def test_a_broken_request_keeps_no_other_from_its_answer(here, shards):
    """It stays in the table with an alarm; the others of its batch are decided."""
    here.execute("ALTER TABLE prepared_transfer ADD CONSTRAINT no_13 CHECK (coordinator_request_id <> 13)")
    try:
        requests = [wanted(number, max_locked_amount=1) for number in range(10, 20)]
        here.apply(*requests)
        with open_room(here.postgres_url, shards.url, POLICY) as room:
            room.room.hand_over(requests)
            expected = {number: "prepared" for number in range(10, 20) if number != 13}
            wait_until(lambda: answered(here) == expected, "all the others", 60.0)
        assert here.rows("SELECT coordinator_request_id FROM waiting_request") == [(13,)]
    finally:
        here.execute("ALTER TABLE prepared_transfer DROP CONSTRAINT no_13")
