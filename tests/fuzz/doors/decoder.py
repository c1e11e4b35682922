"""The bodies of messages: a message or a reason, the same by the fast way and by the one that explains."""

import json
import time
from random import Random
from typing import get_args

from swpt_accounts.wire.messages import CONTENT_TYPE, MESSAGE_TYPES, Malformed, Message, Reason, decode
from swpt_accounts.wire.messages.diagnosis import diagnose
from swpt_accounts.wire.numbers import MAX_MESSAGE_BYTES
from tests.backstage.message_bodies import GOOD
from tests.backstage.odd_bodies import TOKENS, VALUES, join, values_like
from tests.backstage.wire_examples import INCOMING

from .door import Fields
from .mutation import mutated

# Processor time, of which a few milliseconds are used; tracing and a slow machine take many times more.
MOST_SECONDS = 4.0

_ALL_TOKENS = [*TOKENS, *(value.encode(errors="surrogateescape") for value in VALUES)]
_TYPES = [None, None, *MESSAGE_TYPES, *MESSAGE_TYPES, "", "type", "AccountUpdate"]
_CONTENT_TYPES = [CONTENT_TYPE, None, "", "text/plain", "application/json; charset=utf-8"]


class Decoder:
    """`swpt_accounts.wire.messages.decode`."""

    name = "decoder"
    code: tuple[str, ...] = ("swpt_accounts/wire/messages/*", "swpt_accounts/wire/strict_json.py")

    def answer(
        self,
        *,
        body: bytes,
        type: str | None = None,  # noqa: A002
        content_type: str | None = CONTENT_TYPE,
    ) -> str:
        """The type of the message, or the reason for which it is refused."""
        began = time.process_time()
        judged = decode(body, content_type, type)
        used = time.process_time() - began
        assert used < MOST_SECONDS, f"{len(body)} bytes are read for {used:.1f} s"
        is_ordinary = content_type == CONTENT_TYPE and (type is None or type in MESSAGE_TYPES)
        if is_ordinary and len(body) <= MAX_MESSAGE_BYTES:
            explained = diagnose(body, type)
            assert repr(judged) == repr(explained), (
                f"the slow way says {explained!r}, the fast way {judged!r}"
            )
        if isinstance(judged, Malformed):
            assert judged.reason in get_args(Reason), judged
            assert judged.detail.isascii(), judged
            assert 0 < len(judged.detail) <= 200, judged
            return judged.reason
        assert isinstance(judged, Message)
        _compare(judged, body)
        return f"{judged.__class__.__name__}"

    def seeds(self) -> list[Fields]:
        """Good messages."""
        return [{"body": example.body, "type": example.type} for example in INCOMING]

    def changed(self, fields: Fields, random: Random) -> Fields:
        """Other bytes, a good message with odd members, or other properties."""
        kind = random.randrange(20)
        if kind < 1:
            return {**fields, "content_type": random.choice(_CONTENT_TYPES)}
        if kind < 4:
            return {**fields, "type": random.choice(_TYPES)}
        if kind < 10:
            return {"body": _message(random), "type": random.choice(_TYPES)}
        return {**fields, "body": mutated(fields["body"], _ALL_TOKENS, random)}


def _message(random: Random) -> bytes:
    """A message that is good at heart, with some members replaced, repeated, added, left out or moved."""
    members = list(GOOD[random.choice(list(GOOD))].items())
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        at = random.randrange(len(members))
        name, text = members[at]
        odd = random.choice(values_like(text)) if random.random() < 0.7 else random.choice(VALUES)
        members[at : at + random.choice([0, 1, 1, 1])] = [(name, odd)] * random.choice([0, 1, 1, 1, 1, 2])
        if random.random() < 0.1:
            members.insert(at, (random.choice(["x", "\\u0074s", "n\\u0000", 'q\\"']), odd))
        members = members or [("x", odd)]
    if random.random() < 0.2:
        random.shuffle(members)
    return join(members, random.choice(["", "", " ", "\r\n\t", "\x0b"]))


def _compare(message: Message, body: bytes) -> None:
    """A message that is taken says what any reader of JSON reads, in every text and number."""
    read = json.loads(body)
    for name in message.__struct_fields__:
        if name not in ("ts", "committed_at", "final_interest_rate_ts"):
            taken = getattr(message, name)
            expected = float(read[name]) if isinstance(taken, float) else read[name]
            assert taken == expected, name
            assert isinstance(read[name], bool) is False, name
