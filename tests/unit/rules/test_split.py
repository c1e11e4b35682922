"""The ladder of a split: how things stand in, the next step out (behaviours 61 and 62)."""

from typing import Any

import msgspec
import pytest

from swpt_accounts.rules.split import CopyState, Doing, QueueState, SplitView, next_step
from swpt_accounts.wire.routing import Realm
from tests.backstage.builders import NOW

PARENT = Realm.parse("1.#")
LEFT, RIGHT = Realm.parse("1.0.#"), Realm.parse("1.1.#")
IDLE, AT_WORK = QueueState(), QueueState(consumers=1)
STANDBY = CopyState(is_there=True, is_standby=True, is_caught_up=True, has_tables=True, realm=PARENT)
COPY = CopyState(is_there=True, has_tables=True, realm=PARENT, closed_at=NOW)
CHILDREN = tuple(CopyState(is_there=True, has_tables=True, realm=realm) for realm in (LEFT, RIGHT))

FRESH = SplitView(
    realm=PARENT,
    queue="parent",
    parent_queue=AT_WORK,
    child_queues=("left", "right"),
    child_queue_states=(None, None),
    copies=(STANDBY, STANDBY),
    sessions=("worker", "chores"),
)
BEGUN = msgspec.structs.replace(
    FRESH, begun_at=NOW, begun_queues=("left", "right"), child_queue_states=(IDLE, IDLE)
)
CLOSED = msgspec.structs.replace(BEGUN, parent_queue=IDLE, sessions=(), closed_at=NOW)
NARROWED = msgspec.structs.replace(CLOSED, copies=CHILDREN)
AT_HOME = msgspec.structs.replace(NARROWED, child_queue_states=(AT_WORK, AT_WORK))


def other(copies: Any, side: int, **changes: Any) -> dict[str, Any]:
    """The copies, of which one is different."""
    changed = [*copies]
    changed[side] = msgspec.structs.replace(changed[side], **changes)
    return {"copies": tuple(changed)}


@pytest.mark.parametrize(
    ("view", "changes", "doing", "words"),
    [
        # before it begins everything must be there that it needs to end
        (FRESH, {}, Doing.BEGIN, "messages go to left and right"),
        (FRESH, {"copies": (CopyState(),) * 2, "can_copy": True}, Doing.BEGIN, "messages go to"),
        (FRESH, {"copies": (CopyState(),) * 2}, Doing.REFUSED, "the database for 1.0.# is not there"),
        (FRESH, other((STANDBY,) * 2, 1, is_standby=False), Doing.REFUSED, "for 1.1.# is a copy that does"),
        (FRESH, {"is_one_database": True}, Doing.REFUSED, "must be three"),
        (FRESH, {"child_queues": ("left", "left")}, Doing.REFUSED, "must have three names"),
        (FRESH, {"child_queues": ("left", "parent")}, Doing.REFUSED, "must have three names"),
        (FRESH, {"has_shard_settings": False}, Doing.REFUSED, "INTERNAL_USER and FETCH_API_URL"),
        (FRESH, {"foreign_rows": 3}, Doing.REFUSED, "3 rows here belong to other shards"),
        (FRESH, {"parent_queue": None}, Doing.REFUSED, "there is no queue parent"),
        (FRESH, {"child_queue_states": (None, QueueState(2))}, Doing.REFUSED, "right is in use already"),
        (FRESH, {"child_queue_states": (AT_WORK, None)}, Doing.REFUSED, "left is in use already"),
        (FRESH, {"realm": Realm(20, 5)}, Doing.REFUSED, "20 bits"),
        # the parent does all that it was sent, and is stopped
        (BEGUN, {}, Doing.AWAIT, "stop all roles of this shard (worker, chores)"),
        (BEGUN, {"parent_queue": QueueState(7, 1)}, Doing.AWAIT, "7 messages wait in parent: its workers go"),
        (BEGUN, {"parent_queue": QueueState(7)}, Doing.AWAIT, "start the workers again"),
        (BEGUN, {"parent_queue": IDLE}, Doing.AWAIT, "stop all roles"),
        (BEGUN, {"sessions": ()}, Doing.AWAIT, "stop all roles"),
        (BEGUN, {"sessions": (), "parent_queue": IDLE}, Doing.CLOSE, "closed for good"),
        (BEGUN, {"child_queues": ("left", "third")}, Doing.REFUSED, "begun with the queues left and right"),
        # messages of the children wait in their queues meanwhile
        (BEGUN, {"child_queue_states": (QueueState(5), IDLE)}, Doing.AWAIT, "stop all roles"),
        # somebody was started at the same moment, and has to go
        (CLOSED, {"sessions": ("chores",)}, Doing.AWAIT, "stop all roles of this shard (chores)"),
        # the copies
        (CLOSED, {}, Doing.PROMOTE, "1.0.#"),
        (CLOSED, other((STANDBY,) * 2, 0, is_caught_up=False), Doing.AWAIT, "1.0.# has not all"),
        (CLOSED, {"copies": (CopyState(), STANDBY), "can_copy": True}, Doing.COPY, "1.0.#"),
        (CLOSED, {"copies": (CopyState(), STANDBY)}, Doing.AWAIT, "make the database for 1.0.#"),
        (CLOSED, {"copies": (COPY, STANDBY)}, Doing.NARROW, "1.0.#"),
        (CLOSED, {"copies": (CHILDREN[0], STANDBY)}, Doing.PROMOTE, "1.1.#"),
        (CLOSED, {"copies": (CHILDREN[0], COPY)}, Doing.NARROW, "1.1.#"),
        # a copy from before the end lacks money
        (CLOSED, other((COPY,) * 2, 0, closed_at=None), Doing.REFUSED, "no copy of this one as it was"),
        (CLOSED, other((COPY,) * 2, 0, closed_at=NOW - 1), Doing.REFUSED, "no copy of this one as it was"),
        (CLOSED, other((COPY,) * 2, 0, realm=Realm.parse("0.#")), Doing.REFUSED, "no copy of this one"),
        (CLOSED, other((COPY,) * 2, 0, has_tables=False), Doing.REFUSED, "is empty"),
        (CLOSED, {"copies": (CHILDREN[1], COPY)}, Doing.REFUSED, "no copy of this one"),
        # the children
        (NARROWED, {}, Doing.AWAIT, "start the server of 1.0.#"),
        (NARROWED, {"child_queue_states": (AT_WORK, IDLE)}, Doing.AWAIT, "start the server of 1.1.#"),
        (AT_HOME, other(CHILDREN, 1, foreign_rows=9), Doing.AWAIT, "1.1.# still has 9 rows of its sibling"),
        (AT_HOME, {}, Doing.DELETE_QUEUE, "parent"),
        (AT_HOME, {"parent_queue": None}, Doing.DONE, "turn DELETE_FOREIGN_RECORDS off"),
    ],
)
def test_the_next_step(view, changes, doing, words):
    """The first rung that has something to say; nothing is done that would lose something."""
    step = next_step(msgspec.structs.replace(view, **changes))
    assert (step.doing, words in step.text) == (doing, True), step


@pytest.mark.parametrize(
    ("view", "changes", "side", "text"),
    [
        (FRESH, {}, None, "messages go to left and right from now on"),
        (
            FRESH,
            {"is_one_database": True},
            None,
            "the databases of the parent and of both children must be three",
        ),
        (
            FRESH,
            {"child_queues": ("left", "left")},
            None,
            "the queues of the parent and of both children must have three names",
        ),
        (
            FRESH,
            {"has_shard_settings": False},
            None,
            "INTERNAL_USER and FETCH_API_URL are not set here: the children will need them",
        ),
        (
            BEGUN,
            {"sessions": ()},
            None,
            "the queue parent is empty: stop all roles of this shard (workers), web too",
        ),
        (
            BEGUN,
            {"sessions": (), "parent_queue": IDLE},
            None,
            "nobody is at work: the database is closed for good",
        ),
        (
            CLOSED,
            {"copies": (CHILDREN[0], CopyState())},
            1,
            "make the database for 1.1.#, as a physical copy of this one",
        ),
        (
            CLOSED,
            {"copies": (CHILDREN[0], CopyState()), "can_copy": True},
            1,
            "the database for 1.1.# is copied",
        ),
        (
            CLOSED,
            other((CHILDREN[0], STANDBY), 1, is_caught_up=False),
            1,
            "the standby for 1.1.# has not all that the parent has yet",
        ),
        (
            CLOSED,
            {"copies": (CHILDREN[0], STANDBY)},
            1,
            "the standby for 1.1.# becomes a database of its own",
        ),
        (
            CLOSED,
            {"copies": (CHILDREN[0], COPY)},
            1,
            "the copy has the accounts of 1.1.# from now on",
        ),
        (
            CLOSED,
            other((CHILDREN[0], COPY), 1, closed_at=NOW - 1),
            1,
            (
                "the database for 1.1.# is no copy of this one as it was closed: what was done until then is"
                " missing there; make it again from the parent"
            ),
        ),
        (
            NARROWED,
            {"child_queue_states": (AT_WORK, IDLE)},
            1,
            "start the server of 1.1.#, and let the router lead to it",
        ),
        (
            AT_HOME,
            other(CHILDREN, 1, foreign_rows=9),
            1,
            "1.1.# still has 9 rows of its sibling: DELETE_FOREIGN_RECORDS goes on",
        ),
        (AT_HOME, {}, None, "the queue parent, which is empty, is deleted"),
        (
            AT_HOME,
            {"parent_queue": None},
            None,
            "the split is done: turn DELETE_FOREIGN_RECORDS off, and drop the parent's database",
        ),
    ],
)
def test_a_step_says_which_child_it_is_about(view, changes, side, text):
    """In the whole sentence, and by its place."""
    step = next_step(msgspec.structs.replace(view, **changes))
    assert (step.side, step.text) == (side, text)


@pytest.mark.parametrize("side", [0, 1])
def test_of_a_child_that_is_there_nobody_is_asked_to_go(side):
    """Sessions at the parent's database are no obstacle when one of the children is its own."""
    copies = [STANDBY, STANDBY]
    copies[side] = CHILDREN[side]
    view = msgspec.structs.replace(CLOSED, copies=tuple(copies), sessions=("chores",))
    assert next_step(view).doing is Doing.PROMOTE


def test_a_split_is_walked_through_and_every_step_is_made_once():
    """Each step leads to the next one, from the beginning to the end."""
    walk = [FRESH, msgspec.structs.replace(BEGUN, sessions=(), parent_queue=IDLE), CLOSED]
    copied = ((COPY, STANDBY), (CHILDREN[0], STANDBY), (CHILDREN[0], COPY))
    walk += [msgspec.structs.replace(CLOSED, copies=copies) for copies in copied]
    walk += [AT_HOME, msgspec.structs.replace(AT_HOME, parent_queue=None)]
    doings = [next_step(view).doing.name for view in walk]
    assert doings == ["BEGIN", "CLOSE", *["PROMOTE", "NARROW"] * 2, "DELETE_QUEUE", "DONE"]
