"""A split of a shard: from how things stand, the next step (rules.md#splitting-a-shard).

Pure: a ladder of guards.  Every step can be repeated, and what is done is seen, not remembered, so that a
split that was interrupted anywhere goes on where it was.
"""

from collections.abc import Iterator
from enum import Enum, auto

import msgspec

from swpt_accounts.wire.moments import Moment
from swpt_accounts.wire.routing import Realm

MOST_BITS = 20


class Doing(Enum):
    """What a step is."""

    REFUSED = auto()
    """It would lose something, or can not end well."""

    BEGIN = auto()
    """Give the children queues that get all messages from now on, and the parent none."""

    AWAIT = auto()
    """Somebody else has to do something, or to finish it."""

    CLOSE = auto()
    """Let nobody work on the parent's database any more."""

    COPY = auto()
    """Make the database of a child, as a copy on the same server."""

    PROMOTE = auto()
    """Let the standby of a child become a database of its own."""

    NARROW = auto()
    """Give a copy the realm of its child."""

    DELETE_QUEUE = auto()
    """Delete the queue of the parent, which is empty."""

    DONE = auto()


class Step(msgspec.Struct, frozen=True):
    """The next step, for people; `side` is the child that it is about: 0 or 1."""

    doing: Doing
    text: str
    side: int | None = None


class QueueState(msgspec.Struct, frozen=True):
    """How many messages wait in a queue, and how many consumers it has."""

    messages: int = 0
    consumers: int = 0


class CopyState(msgspec.Struct, frozen=True):
    """The database of a child."""

    is_there: bool = False
    is_standby: bool = False
    is_caught_up: bool = False
    """A standby has all that the parent has."""

    has_tables: bool = False
    realm: Realm | None = None
    closed_at: Moment | None = None
    foreign_rows: int = 0
    """Of a child with its realm: what is left of the sibling."""


class SplitView(msgspec.Struct, frozen=True, kw_only=True):
    """How things stand.  What belongs to the children has their order: 0 and 1."""

    realm: Realm
    queue: str
    parent_queue: QueueState | None
    child_queues: tuple[str, str]
    child_queue_states: tuple[QueueState | None, QueueState | None]
    copies: tuple[CopyState, CopyState]
    is_one_database: bool = False
    """Two of the three databases are the same one."""

    has_shard_settings: bool = True
    """INTERNAL_USER and FETCH_API_URL are set, which the children need."""

    can_copy: bool = False
    """The databases of the children are to be made here, from that of the parent."""

    begun_at: Moment | None = None
    begun_queues: tuple[str | None, str | None] = (None, None)
    closed_at: Moment | None = None
    foreign_rows: int = 0
    sessions: tuple[str, ...] = ()
    """Whose sessions are at the parent's database: names of roles."""

    def children(self) -> tuple[Realm, Realm]:
        """The realms of the children."""
        bits, prefix = self.realm.bits + 1, self.realm.prefix << 1
        return Realm(bits, prefix), Realm(bits, prefix | 1)


def next_step(view: SplitView) -> Step:
    """The first rung that has something to say."""
    for refusal in _refusals(view):
        return Step(Doing.REFUSED, refusal)
    if view.begun_at is None:
        return Step(Doing.BEGIN, f"messages go to {' and '.join(view.child_queues)} from now on")
    if view.closed_at is None or (view.sessions and not any(_is_child(view, side) for side in (0, 1))):
        return _drain(view)
    for side in (0, 1):
        if (step := _copy(view, side)) is not None:
            return step
    return _settle(view)


def _refusals(view: SplitView) -> Iterator[str]:
    if view.realm.bits >= MOST_BITS:
        yield f"the realm has {MOST_BITS} bits already, which is the most"
    if len({view.queue, *view.child_queues}) != 3:
        yield "the queues of the parent and of both children must have three names"
    if view.is_one_database:
        yield "the databases of the parent and of both children must be three"
    if view.begun_at is not None and view.begun_queues != view.child_queues:
        yield f"the split has begun with the queues {' and '.join(map(str, view.begun_queues))}: name those"
    if view.begun_at is None:
        yield from _unfit(view)


def _unfit(view: SplitView) -> Iterator[str]:
    """What is to be mended before a split begins, because then it could not go on."""
    if not view.has_shard_settings:
        yield "INTERNAL_USER and FETCH_API_URL are not set here: the children will need them"
    if view.foreign_rows:
        yield f"{view.foreign_rows} rows here belong to other shards: see `swpt-accounts check-shard`"
    if view.parent_queue is None:
        yield f"there is no queue {view.queue}: was the server ever configured?"
    for queue, state in zip(view.child_queues, view.child_queue_states, strict=True):
        if state is not None and (state.messages or state.consumers):
            yield f"the queue {queue} is in use already: name another one"
    for side, copy in enumerate(view.copies):
        name = view.children()[side].binding_key
        if copy.is_there and not copy.is_standby and copy.has_tables:
            yield f"the database for {name} is a copy that does not follow: what comes now would be missing"
        if not copy.is_there and not view.can_copy:
            yield f"the database for {name} is not there: let a standby follow the parent, or use --copy-here"


def _drain(view: SplitView) -> Step:
    """Until the parent has done all that it was sent, and nobody is at work there."""
    queue, state = view.queue, view.parent_queue or QueueState()
    if state.messages and not state.consumers:
        text = f"{state.messages} messages wait in {queue} and nobody takes them: start the workers again"
        return Step(Doing.AWAIT, text)
    if state.messages:
        return Step(Doing.AWAIT, f"{state.messages} messages wait in {queue}: its workers go on")
    if state.consumers or view.sessions:
        who = ", ".join(view.sessions) or "workers"
        return Step(Doing.AWAIT, f"the queue {queue} is empty: stop all roles of this shard ({who}), web too")
    return Step(Doing.CLOSE, "nobody is at work: the database is closed for good")


def _copy(view: SplitView, side: int) -> Step | None:
    """The next step towards a child's database; None if it is one."""
    copy, child = view.copies[side], view.children()[side]
    name = child.binding_key
    if _is_child(view, side):
        return None
    if not copy.is_there:
        if view.can_copy:
            return Step(Doing.COPY, f"the database for {name} is copied", side)
        return Step(Doing.AWAIT, f"make the database for {name}, as a physical copy of this one", side)
    if copy.is_standby and not copy.is_caught_up:
        return Step(Doing.AWAIT, f"the standby for {name} has not all that the parent has yet", side)
    if copy.is_standby:
        return Step(Doing.PROMOTE, f"the standby for {name} becomes a database of its own", side)
    if not copy.has_tables:
        return Step(Doing.REFUSED, f"the database for {name} is empty: remove it, or copy the parent into it")
    if copy.closed_at != view.closed_at or copy.realm != view.realm:
        text = (
            f"the database for {name} is no copy of this one as it was closed: what was done until then is"
            " missing there; make it again from the parent"
        )
        return Step(Doing.REFUSED, text, side)
    return Step(Doing.NARROW, f"the copy has the accounts of {name} from now on", side)


def _is_child(view: SplitView, side: int) -> bool:
    copy = view.copies[side]
    return not copy.is_standby and copy.closed_at is None and copy.realm == view.children()[side]


def _settle(view: SplitView) -> Step:
    """Until the children work, and have only what is theirs."""
    for side, state in enumerate(view.child_queue_states):
        name = view.children()[side].binding_key
        if state is None or not state.consumers:
            return Step(Doing.AWAIT, f"start the server of {name}, and let the router lead to it", side)
    for side, copy in enumerate(view.copies):
        if copy.foreign_rows:
            name = view.children()[side].binding_key
            text = f"{name} still has {copy.foreign_rows} rows of its sibling: DELETE_FOREIGN_RECORDS goes on"
            return Step(Doing.AWAIT, text, side)
    if view.parent_queue is not None:
        return Step(Doing.DELETE_QUEUE, f"the queue {view.queue}, which is empty, is deleted")
    return Step(
        Doing.DONE, "the split is done: turn DELETE_FOREIGN_RECORDS off, and drop the parent's database"
    )
