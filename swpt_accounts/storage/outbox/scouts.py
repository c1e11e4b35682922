"""Rows that no queue wanted, when their time has come: who tries the way, who waits on, who joins."""

import random
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
import psycopg2
from psycopg2.extras import Json, execute_values

from swpt_accounts.wire.moments import Moment

from .peers import MOST_TOGETHER, Peer, peer_of
from .publishing import Outbox, Scout
from .rows import FORGET_ROWS, INSERT_ROWS, first_event, pack_bodies

_WAIT: Final = """
UPDATE outbox SET attempts = attempts + %(tried)s, next_attempt_at = %(at)s WHERE outbox_id = ANY(%(ids)s)
"""

_JOIN: Final = INSERT_ROWS + " RETURNING outbox_id"


class Waiting(NamedTuple):
    """A row that waits for a peer."""

    row: Any
    peer: Peer

    @property
    def events(self) -> int:
        """How many events it holds."""
        return sum(self.row.type_counts.values())


class Due(NamedTuple):
    """A row of the outbox whose time has come, as it is read."""

    outbox_id: int
    payload: Any
    attempts: int
    last_failure: str | None
    created_at: Moment
    type_counts: dict[str, int]
    accounts: Any


def choose(cursor: Any, rows: Sequence[Any], outbox: Outbox, now: Moment) -> list[tuple[Due, Scout | None]]:
    """Which of these rows, which are locked, are tried; those that only wait on are put off here.

    One row tries each way, chosen at random; and none while another attempt was made a moment ago.
    """
    to_try: list[tuple[Due, Scout | None]] = []
    ways: dict[Peer, list[Waiting]] = {}
    for row in map(Due._make, rows):
        peer = _peer(row) if row.last_failure == "returned" else None
        if peer is None:
            to_try.append((row, None))
        else:
            ways.setdefault(peer.way, []).append(Waiting(row, peer))
    for way, waiting in ways.items():
        until = outbox.silence.until(way, now)
        if until is not None:
            _wait(cursor, waiting, until, tried=0)
            continue
        chosen = waiting.pop(random.randrange(len(waiting)))  # noqa: S311 - fairness, not secrecy
        attempts = 1 + max(one.row.attempts for one in (chosen, *waiting))
        until = now + outbox.draw_delay(attempts, "returned")
        outbox.silence.begin(way, now, until)
        to_try.append((chosen.row, Scout(way, _wait(cursor, waiting, until, tried=1))))
    return to_try


def _peer(row: Due) -> Peer | None:
    """Whom a row is for that was returned; None if it cannot be read, which is found out when it is tried."""
    try:
        event = first_event(row.payload)
    except (ValueError, zlib.error, msgspec.MsgspecError):
        return None
    return None if event is None else peer_of(event)


def _wait(cursor: Any, waiting: Sequence[Waiting], until: Moment, *, tried: int) -> list[int]:
    """Put rows off, and join small ones of a peer; the ids under which they wait on."""
    peers: dict[Peer, list[Waiting]] = {}
    for one in waiting:
        peers.setdefault(one.peer, []).append(one)
    left: list[int] = []
    joined: list[list[Waiting]] = []
    for group in peers.values():
        for together in _bundles(sorted(group, key=lambda one: one.row.outbox_id)):
            if len(together) == 1:
                left.append(together[0].row.outbox_id)
            else:
                joined.append(together)
    if left:
        cursor.execute(_WAIT, {"ids": left, "at": until, "tried": tried})
    if joined:
        cursor.execute(FORGET_ROWS, [[one.row.outbox_id for together in joined for one in together]])
        values = [_join(list(map(attrgetter("row"), together)), until, tried) for together in joined]
        left += [row[0] for row in execute_values(cursor, _JOIN, values, fetch=True)]
    return left


def _bundles(waiting: Iterable[Waiting]) -> Iterable[list[Waiting]]:
    """Rows that become one, in their order."""
    bundle: list[Waiting] = []
    events = 0
    for one in waiting:
        if bundle and events + one.events > MOST_TOGETHER:
            yield bundle
            bundle, events = [], 0
        bundle.append(one)
        events += one.events
    if bundle:
        yield bundle


def _join(rows: Sequence[Due], until: Moment, tried: int) -> tuple[Any, ...]:
    """The values of one row with the events of these."""
    bodies = [body for row in rows for body in zlib.decompress(row.payload).split(b"\n")]
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(row.type_counts)
    return (
        min(row.created_at for row in rows),
        Json(counts),
        psycopg2.Binary(b"".join(sorted({bytes(key) for row in rows for key in _keys(row.accounts)}))),
        psycopg2.Binary(pack_bodies(bodies)),
        max(row.attempts for row in rows) + tried,
        until,
        "returned",
    )


def _keys(packed: Any) -> Iterable[bytes]:
    """The accounts of a row, each as it is packed."""
    raw = bytes(packed)
    return (raw[at : at + 16] for at in range(0, len(raw), 16))
