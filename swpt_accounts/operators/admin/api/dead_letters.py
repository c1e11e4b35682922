"""Messages that were put aside: listed, shown, returned, discarded."""

import base64
from functools import partial
from typing import Any, Final

import msgspec
from marshmallow import Schema, fields, validate

from swpt_accounts.operators.admin.access import order
from swpt_accounts.operators.admin.context import admin_context
from swpt_accounts.operators.admin.fields import Choice, Int64, JsonInteger, Moment, Text
from swpt_accounts.operators.admin.pages import PageQuery, answer_page, page_of
from swpt_accounts.operators.inspection.dead_letters import (
    STATES,
    page_of_dead_letters,
    read_message,
    show_dead_letter,
)
from swpt_accounts.operators.operations.dead_letters import discard_dead_letters, return_dead_letters
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.wire.messages import Malformed, Message
from swpt_accounts.wire.moments import render_timestamp
from swpt_accounts.wire.numbers import MAX_INT64

from .arguments import AdminBlueprint, not_found
from .outbox import LONGEST_NOTE

dead_letters = AdminBlueprint("dead_letters", __name__, description="Messages that were put aside")

_MOST_IDS: Final = 100
_MOMENTS: Final = {"ts", "final_interest_rate_ts", "committed_at"}


class DeadLetterSchema(Schema):
    """A dead letter without its body."""

    dead_letter_id = Int64()
    received_at = Moment()
    state = fields.String()
    reason = fields.String()
    detail = fields.String()
    type = fields.String(allow_none=True)
    queue = fields.String()
    exchange = fields.String()
    routing_key = fields.String()
    body_size = fields.Integer()
    is_complete = fields.Boolean(metadata={"description": "Whether the whole body is kept."})
    settled_at = Moment(allow_none=True)
    operator_note = fields.String(allow_none=True)


class ShownDeadLetterSchema(Schema):
    """A dead letter with all that is kept of it.

    `body_text` is null unless the body is UTF-8; `message` is null unless it can be decoded by the rules
    of the protocol.
    """

    letter = fields.Nested(DeadLetterSchema)
    properties = fields.Dict(keys=fields.String())
    body_sha256 = fields.String()
    body_text = fields.String(allow_none=True)
    body_base64 = fields.String(allow_none=True)
    message_type = fields.String(allow_none=True)
    message = fields.Dict(keys=fields.String(), allow_none=True)


class DeadLettersQuery(PageQuery):
    """Which dead letters."""

    state = Choice(*STATES, "all", load_default="open")
    reason = Text(least=1, most=50, load_default=None)


class SettledSchema(Schema):
    """Which dead letters, and a note that is kept with them and in the audit."""

    ids = fields.List(
        JsonInteger(least=1, most=MAX_INT64),
        required=True,
        validate=validate.Length(1, _MOST_IDS, error=f"must be 1 to {_MOST_IDS} ids of dead letters"),
    )
    note = Text(most=LONGEST_NOTE, load_default="")


class DiscardedSchema(SettledSchema):
    """Which dead letters, and why."""

    note = Text(least=1, most=LONGEST_NOTE, required=True)


class SettledIdsSchema(Schema):
    """The dead letters that were settled."""

    ids = fields.List(Int64())


@dead_letters.get("/dead-letters")
@dead_letters.arguments(DeadLettersQuery, location="query")
@dead_letters.response(200, page_of(DeadLetterSchema))
def list_(args: dict[str, Any]) -> dict[str, Any]:
    """List dead letters, oldest first."""
    return dead_letters_page(args)


@dead_letters.get("/dead-letters/<positive:dead_letter_id>")
@dead_letters.response(200, ShownDeadLetterSchema)
def show(dead_letter_id: int) -> dict[str, Any]:
    """Show a dead letter, raw and decoded."""
    return shown_dead_letter(dead_letter_id)


@dead_letters.post("/dead-letters/return")
@dead_letters.arguments(SettledSchema)
@dead_letters.response(200, SettledIdsSchema)
def return_(args: dict[str, Any]) -> dict[str, Any]:
    """Put messages back into the queue; all of them or none."""
    return {"ids": put_back(args["ids"], args["note"])}


@dead_letters.post("/dead-letters/discard")
@dead_letters.arguments(DiscardedSchema)
@dead_letters.response(200, SettledIdsSchema)
def discard(args: dict[str, Any]) -> dict[str, Any]:
    """Close dead letters without any other effect; all of them or none."""
    return {"ids": close(args["ids"], args["note"])}


# -- for the console as well -------------------------------------------------------------------


def put_back(ids: list[int], note: str) -> list[int]:
    """Return these dead letters to the queue, as this request's order; their ids."""
    with admin_context().writing() as connection:
        settings = admin_context().settings
        return_dead_letters(
            connection,
            ids,
            note,
            order=order(),
            internal_user=settings.internal_user,
            peers=settings.peers(),
        )
    return sorted(set(ids))


def close(ids: list[int], note: str) -> list[int]:
    """Discard these dead letters, as this request's order; their ids."""
    with admin_context().writing() as connection:
        discard_dead_letters(connection, ids, note, order=order())
    return sorted(set(ids))


def dead_letters_page(args: dict[str, Any]) -> dict[str, Any]:
    """A page of dead letters that `DeadLettersQuery` asks for."""
    state = None if args["state"] == "all" else args["state"]
    return answer_page(args, partial(page_of_dead_letters, state=state, reason=args["reason"]))


def shown_dead_letter(dead_letter_id: int) -> dict[str, Any]:
    """A dead letter with its body, raw and decoded; raises NotFound."""
    with admin_context().reading() as connection:
        try:
            letter, body = show_dead_letter(connection, dead_letter_id)
        except OperatorError:
            not_found(f"dead letter {dead_letter_id}")
    decoded = read_message(letter, body)
    message = None if isinstance(decoded, Malformed) else decoded
    return {
        "letter": letter,
        "properties": letter.described_properties(),
        "body_sha256": letter.body_sha256.hex(),
        "body_text": _as_text(body),
        "body_base64": None if body is None else base64.b64encode(body).decode(),
        "message_type": None if message is None else type(message).__name__,
        "message": None if message is None else _shown(message),
    }


def _shown(message: Message) -> dict[str, Any]:
    """The members of a message, with moments as it writes them, and numbers as texts."""
    shown = {}
    for name, value in msgspec.structs.asdict(message).items():
        if name in _MOMENTS:
            shown[name] = render_timestamp(value)
        else:
            shown[name] = str(value) if isinstance(value, int) else value
    return shown


def _as_text(body: bytes | None) -> str | None:
    try:
        return None if body is None else body.decode()
    except UnicodeDecodeError:
        return None
