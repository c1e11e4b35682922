"""Pages: messages that were put aside, one of them, and what operators do with them."""

import json

from flask import render_template, url_for
from marshmallow import Schema, fields, validate
from werkzeug.wrappers import Response

from swpt_accounts.operators.admin.api.dead_letters import (
    DeadLettersQuery,
    close,
    dead_letters_page,
    put_back,
    shown_dead_letter,
)
from swpt_accounts.operators.admin.api.outbox import LONGEST_NOTE
from swpt_accounts.operators.admin.fields import Text, WrittenInteger
from swpt_accounts.operators.admin.pages import MOST_ITEMS
from swpt_accounts.operators.inspection.dead_letters import STATES
from swpt_accounts.operators.inspection.explanations import REASONS
from swpt_accounts.operators.operations.dead_letters import ONLY_BY_CREDITS, ONLY_DISCARDED
from swpt_accounts.wire.numbers import MAX_INT64

from .arguments import asked, console, done, filled


class SettleForm(Schema):
    """Which dead letters, and a note that is kept with them and in the audit."""

    ids = fields.List(
        WrittenInteger(least=1, most=MAX_INT64),
        required=True,
        validate=validate.Length(1, MOST_ITEMS, error="choose one dead letter or more"),
        error_messages={"required": "choose one dead letter or more"},
    )
    note = Text(most=LONGEST_NOTE, load_default="")


class DiscardForm(SettleForm):
    """Which dead letters, and why."""

    note = Text(least=1, most=LONGEST_NOTE, required=True)


@console.get("/dead-letters")
def dead_letters() -> str:
    """Dead letters, oldest first."""
    args = asked(DeadLettersQuery)
    return render_template(
        "admin/dead_letters.html",
        page=dead_letters_page(args),
        args=args,
        states=(*STATES, "all"),
        words=REASONS,
    )


@console.get("/dead-letters/<positive:dead_letter_id>")
def dead_letter(dead_letter_id: int) -> str:
    """A dead letter, decoded as far as it can be, and raw."""
    shown = shown_dead_letter(dead_letter_id)
    reason = shown["letter"].reason
    return render_template(
        "admin/dead_letter.html",
        **shown,
        pretty=_pretty(shown["body_text"]),
        words=REASONS,
        can_return=reason not in ONLY_DISCARDED | ONLY_BY_CREDITS and shown["letter"].is_complete,
        can_discard=reason not in ONLY_BY_CREDITS,
    )


@console.post("/dead-letters/return")
def return_dead_letters() -> Response:
    """Put messages back into the queue; all of them or none."""
    form = filled(SettleForm)
    ids = put_back(form["ids"], form["note"])
    return done(f"Returned to the queue: {_shown(ids)}.", url_for("console.dead_letters"))


@console.post("/dead-letters/discard")
def discard_dead_letters() -> Response:
    """Close dead letters without any other effect; all of them or none."""
    form = filled(DiscardForm)
    ids = close(form["ids"], form["note"])
    return done(f"Discarded: {_shown(ids)}.", url_for("console.dead_letters"))


def _shown(ids: list[int]) -> str:
    return f"dead letter {ids[0]}" if len(ids) == 1 else f"{len(ids)} dead letters"


def _pretty(body: str | None) -> str | None:
    """JSON with an indentation; None if it is none."""
    try:
        return None if body is None else json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None
