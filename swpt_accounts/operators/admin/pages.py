"""Page tokens: signed, so that nobody makes them up, and good for the same question only."""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from flask import current_app, request
from itsdangerous import BadData, URLSafeSerializer
from marshmallow import Schema, fields
from werkzeug.exceptions import UnprocessableEntity

from swpt_accounts.operators.inspection.keyset import Cut, Page

from .context import admin_context
from .fields import Text, WrittenInteger
from .keys import ensure_key

MOST_ITEMS: Final = 500
DEFAULT_ITEMS: Final = 50

_LONGEST_TOKEN: Final = 500


class PageQuery(Schema):
    """What every question about a list can say."""

    limit = WrittenInteger(least=1, most=MOST_ITEMS, load_default=DEFAULT_ITEMS)
    page = Text(
        least=1,
        most=_LONGEST_TOKEN,
        load_default=None,
        metadata={"description": "`next` or `previous` of an answer to the same question."},
    )


@cache
def page_of(item: type[Schema]) -> type[Schema]:
    """The schema of a page of such items."""
    metadata = {"description": "The value of `page` for the neighbour; null at the end."}
    members: dict[str, fields.Field[Any]] = {
        "items": fields.List(fields.Nested(item), required=True),
        "previous": fields.String(allow_none=True, required=True, metadata=metadata),
        "next": fields.String(allow_none=True, required=True, metadata=metadata),
    }
    return Schema.from_dict(members, name=item.__name__.removesuffix("Schema") + "PageSchema")


def answer_page(
    args: Mapping[str, Any], read: Callable[[Any, Cut, int], Page[Any]], **context: Any
) -> dict[str, Any]:
    """A page as its schema wants it: `read` gets a connection, the cut and the limit.

    What else the arguments ask belongs to the question, so that a page token of another one is refused.
    """
    ensure_key(current_app, admin_context())
    question = {name: value for name, value in args.items() if name not in ("page", "limit")} | context
    fingerprint = _fingerprint(question)
    cut = _read_token(args["page"], fingerprint)
    with admin_context().reading() as connection:
        page = read(connection, cut, args["limit"])
    return {
        "items": page.items,
        "previous": _write_token(page.previous, fingerprint),
        "next": _write_token(page.next, fingerprint),
    }


def _serializer() -> URLSafeSerializer:
    assert current_app.secret_key is not None, "ensured before"
    return URLSafeSerializer(current_app.secret_key, salt="page", serializer=json)


def _write_token(cut: Cut | None, fingerprint: str) -> str | None:
    if cut is None:
        return None
    return _serializer().dumps([fingerprint, cut.is_backward, *(cut.position or ())])


def _read_token(token: str | None, fingerprint: str) -> Cut:
    if token is None:
        return Cut()
    try:
        known, is_backward, *position = _serializer().loads(token)
    except (BadData, ValueError):
        raise UnprocessableEntity("page: must be `next` or `previous` of an answer of this server.") from None
    if known != fingerprint:
        raise UnprocessableEntity(
            "page: belongs to another question; leave the other arguments as they were."
        )
    return Cut(tuple(position) or None, is_backward)


def _fingerprint(question: Mapping[str, Any]) -> str:
    text = json.dumps([request.path, sorted(question.items())])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
