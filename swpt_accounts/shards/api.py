"""The HTTP interface between the shards of a node (rules.md#http-between-shards).

Read-only, without authentication, for the internal network.
"""

import logging
from typing import Annotated, Final, TypeAlias
from urllib.parse import quote

import msgspec
from flask import Blueprint, Flask, Response, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import BaseConverter

from swpt_accounts.runtime.errors import first_line
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.storage.models import db
from swpt_accounts.wire.numbers import MAX_INT64, MAX_UINT64, MIN_INT64, i64, u64

from . import queries
from .terms import MOST_ASKED_TOGETHER, QUEUE_HEADER, REALM_HEADER

MAX_BODY_BYTES: Final = 20480

_PLAIN: Final = "text/plain; charset=utf-8"
_NO_STORE: Final = {"Cache-Control": "no-store"}

_logger: Final = logging.getLogger(__name__)


def _canonical_up_to(greatest: int) -> str:
    """A regular expression for the numbers from 0 to `greatest`, without leading zeros.

    Werkzeug asks only the expression of a converter when it distinguishes 405 from 404.
    """
    digits = str(greatest)
    shorter = rf"0|[1-9][0-9]{{0,{len(digits) - 2}}}"
    # The same digits as the greatest up to some place, and a smaller one there.
    smaller = [
        f"{digits[:place]}[{int(place == 0)}-{int(digit) - 1}][0-9]{{{len(digits) - place - 1}}}"
        for place, digit in enumerate(digits)
        if int(digit) > int(place == 0)
    ]
    return "|".join([shorter, *smaller, digits])


class IdConverter(BaseConverter):
    """An id in a path: u64 in its one canonical decimal form outside, int64 inside."""

    regex = f"(?:{_canonical_up_to(MAX_UINT64)})"

    def to_python(self, value: str) -> int:
        return i64(int(value))

    def to_url(self, value: int) -> str:
        return str(u64(value))


class BitsConverter(BaseConverter):
    """A realm other than the whole one in a path: its binary digits, without dots."""

    regex = "[01]{1,20}"


_Id: TypeAlias = Annotated[int, msgspec.Meta(ge=MIN_INT64, le=MAX_INT64)]
_read_keys: Final = msgspec.json.Decoder(
    Annotated[list[tuple[_Id, _Id]], msgspec.Meta(max_length=MOST_ASKED_TOGETHER)]
).decode


def register(app: Flask, settings: Settings) -> None:
    """Add the interface to the application."""
    app.url_map.converters["id"] = IdConverter
    app.url_map.converters["bits"] = BitsConverter
    # Anything but the canonical path is unknown; a redirect would be an answer of its own.
    app.url_map.merge_slashes = False
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.before_request(_refuse_extra_slashes)
    app.before_request(_refuse_large_bodies)
    app.register_error_handler(HTTPException, _refuse)
    app.register_error_handler(SQLAlchemyError, _say_database_is_away)
    app.register_error_handler(Exception, _say_it_is_our_fault)
    app.register_blueprint(_accounts(settings))
    app.register_blueprint(_realms(settings))


def _accounts(settings: Settings) -> Blueprint:
    realm = settings.realm()
    accounts = Blueprint("accounts", __name__, url_prefix="/accounts")

    @accounts.get("/healthz")
    def healthz() -> Response:
        return Response("I am healthy", content_type="text/plain")

    @accounts.after_request
    def sign(response: Response) -> Response:
        response.headers[REALM_HEADER] = realm.binding_key
        response.headers[QUEUE_HEADER] = quote(settings.protocol_broker_queue)
        return response

    @accounts.get("/<id:debtor_id>/<id:creditor_id>/reachable")
    def reachable(debtor_id: int, creditor_id: int) -> Response:
        if not realm.owns(debtor_id, creditor_id):
            return _say_wrong_shard()
        # Whoever loses the database ends here, where it has an answer, and not when all is cleaned up.
        with db.session.begin():
            is_reachable = queries.is_reachable(db.session, debtor_id, creditor_id)
        if not is_reachable:
            return _absent()
        return _answer("", 204, settings.fetch_api_reachable_max_age)

    @accounts.get("/<id:debtor_id>/<id:creditor_id>/config")
    def config(debtor_id: int, creditor_id: int) -> Response:
        if not realm.owns(debtor_id, creditor_id):
            return _say_wrong_shard()
        with db.session.begin():
            config_data = queries.config_data(db.session, debtor_id, creditor_id)
        if config_data is None:
            return _absent()
        return _answer(config_data, 200, settings.fetch_api_config_max_age)

    return accounts


def _realms(settings: Settings) -> Blueprint:
    """What only our own shards ask each other: many questions in one call."""
    realm = settings.realm()
    realms = Blueprint("realms", __name__, url_prefix="/realms")

    @realms.post("/<bits:asked>/reachable")
    def reachable(asked: str) -> Response:
        try:
            keys = _read_keys(request.get_data())
        except msgspec.MsgspecError:
            return Response("Pairs of ids are expected.\n", 400, _NO_STORE, content_type=_PLAIN)
        if asked != realm.digits or not all(map(realm.owns_key, keys)):
            return _say_wrong_shard()
        with db.session.begin():
            found = queries.reachable_together(db.session, keys)
        said = {"reachable": [key in found for key in keys], "max_age": settings.fetch_api_reachable_max_age}
        return Response(msgspec.json.encode(said), 200, _NO_STORE, content_type="application/json")

    return realms


def _answer(body: str, status: int, max_age_seconds: float) -> Response:
    headers = {"Cache-Control": f"max-age={int(max_age_seconds)}"}
    return Response(body, status, headers, content_type=_PLAIN)


def _absent() -> Response:
    return Response("", 404, _NO_STORE, content_type=_PLAIN)


def _say_wrong_shard() -> Response:
    # Not a 404: the account may exist, and the caller has to try again.
    return Response("The account belongs to another shard.\n", 500, _NO_STORE, content_type=_PLAIN)


def _refuse_extra_slashes() -> None:
    # The server in front of the application makes one slash of several at the beginning.
    if request.environ.get("REQUEST_URI", "").startswith("//"):
        raise NotFound


def _refuse_large_bodies() -> None:
    # Nothing here needs a body, but reading it is what enforces the limit, chunked ones included.
    request.get_data()


def _refuse(error: HTTPException) -> Response:
    response = Response(f"{error.name}.\n", error.code, _NO_STORE, content_type=_PLAIN)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return response


def _say_database_is_away(error: SQLAlchemyError) -> Response:
    cause = first_line(error)
    _logger.error("The database cannot be asked (%s): answered 503, the caller will ask again.", cause)
    return Response("The database cannot be asked.\n", 503, _NO_STORE, content_type=_PLAIN)


def _say_it_is_our_fault(error: Exception) -> Response:
    _logger.error("A request could not be answered because of a bug: answered 500.", exc_info=error)
    return Response("Internal server error.\n", 500, _NO_STORE, content_type=_PLAIN)
