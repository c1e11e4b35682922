"""What can go wrong with a request: codes, and problem documents (RFC 9457) that carry them."""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from logging import getLogger
from typing import Any, Final, TypeAlias

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from swpt_client.errors import Overtaken, StoreAway

from .database import InDoubt

MEDIA_TYPE: Final = "application/problem+json"
PageMaker: TypeAlias = Callable[[int, str, str], str | None]
"""Of a status, a code and a sentence."""
_STATUSES: Final = "house.problem_statuses"
_PAGE_MAKER: Final = "house.problem_pages"
_logger: Final = getLogger(__name__)

CODES: Final[dict[str, tuple[int, str]]] = {
    "INVALID_AMOUNT": (422, "This is not an amount."),
    "INVALID_FIELDS": (422, "Something is missing or wrong."),
    "INSUFFICIENT_FUNDS": (422, "There is not enough money."),
    "SAME_ACCOUNT": (422, "Sender and recipient are the same."),
    "UNKNOWN_RECIPIENT": (422, "There is no such recipient."),
    "NOT_DONE": (422, "The accounting server has refused it; nothing has moved."),
    "KEY_CONFLICT": (409, "This key stands for something else already."),
    "TOO_LATE": (409, "It is too late for this."),
    "NOT_YOURS": (403, "This is somebody else's."),
    "NOT_ALLOWED": (403, "You may not do this."),
    "FORGED": (400, "This form may have been sent by another page."),
    "NOT_KNOWN": (401, "Who are you?"),
    "TOO_MANY_TRIES": (429, "There were too many wrong tries; wait a minute."),
    "NOT_FOUND": (404, "There is no such thing."),
    "STILL_RUNNING": (202, "It is stored, and will be done once: look again in a moment."),
    "SERVER_AWAY": (503, "It did not happen, and nothing was stored: try again."),
    "IN_DOUBT": (
        504,
        "Nobody knows yet whether it was stored: the same request with the same key will tell.",
    ),
}
"""The code, its HTTP status, and what it says if nobody says more.  An application may add its own."""


class Problem(Exception):
    """A request is answered with a problem document; what else is given becomes members of it."""

    def __init__(self, code: str, detail: str = "", **members: Any) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail
        self.members = members


def set_page_maker(app: Flask, make: PageMaker) -> None:
    """Let people see problems as pages: `make` gives the page, or None for a program."""
    app.extensions[_PAGE_MAKER] = make


def set_up(app: Flask, *, codes: Mapping[str, tuple[int, str]]) -> None:
    """Answer every error in the same form, and show no stack trace to anybody."""
    app.extensions[_STATUSES] = CODES | dict(codes)
    app.register_error_handler(Problem, _answer)
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(StoreAway, _say_database_is_away)
    app.register_error_handler(Overtaken, _say_database_is_away)
    app.register_error_handler(InDoubt, _say_it_is_in_doubt)
    app.register_error_handler(Exception, _say_it_is_our_fault)


def document(code: str, detail: str = "", **members: Any) -> tuple[int, dict[str, Any]]:
    """The status and the members of a problem."""
    status, usual = current_app.extensions[_STATUSES][code]
    title = HTTPStatus(status).phrase
    return status, {
        "type": "about:blank",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail or usual,
    } | members


def problem(code: str, detail: str = "", **members: Any) -> Response:
    """A response that says what is wrong."""
    status, body = document(code, detail, **members)
    return _respond(status, body)


def _respond(status: int, body: dict[str, Any]) -> Response:
    make: PageMaker | None = current_app.extensions.get(_PAGE_MAKER)
    page = None if make is None else make(status, body["code"], body["detail"])
    if page is not None:
        return Response(page, status, content_type="text/html; charset=utf-8")
    return Response(json.dumps(body), status, content_type=MEDIA_TYPE)


def _answer(error: Problem) -> Response:
    response = problem(error.code, error.detail, **error.members)
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        response.headers["Retry-After"] = "60"
    if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = "2"
    return response


def _answer_http(error: HTTPException) -> Response:
    if error.code is None or error.code < HTTPStatus.BAD_REQUEST:
        return error.get_response()  # type: ignore[return-value]
    data = getattr(error, "data", None) or {}
    if "messages" in data:
        fields: dict[str, str] = dict(_flat(data["messages"]))
        detail = " ".join(f"{where}: {what}" if where else what for where, what in fields.items())
        return problem("INVALID_FIELDS", detail, fields=fields)
    title = HTTPStatus(error.code).phrase
    body = {
        "type": "about:blank",
        "title": title,
        "status": error.code,
        "code": error.name.upper().replace(" ", "_"),
        "detail": error.description or title,
    }
    response = _respond(error.code, body)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return response


def _flat(messages: Any, path: str = "") -> Any:
    """The pairs of place and sentence in what marshmallow says."""
    if isinstance(messages, dict):
        for name, inner in messages.items():
            is_part = not path and name in ("json", "query", "form", "path", "headers")
            yield from _flat(inner, path if is_part or name == "_schema" else f"{path}.{name}".lstrip("."))
    elif isinstance(messages, list):
        yield path, " ".join(str(one) for one in messages)
    else:
        yield path, str(messages)


def _say_database_is_away(error: Exception) -> Response:
    _logger.error("The database cannot be asked (%s): answered 503.", str(error).partition("\n")[0])
    return _answer(Problem("SERVER_AWAY"))


def _say_it_is_in_doubt(error: InDoubt) -> Response:
    _logger.error("The database was lost during a commit (%s): answered 504.", error)
    return problem("IN_DOUBT")


def _say_it_is_our_fault(error: Exception) -> Response:
    _logger.error("%s %s: a bug: answered 500.", request.method, request.path, exc_info=error)
    body = {
        "type": "about:blank",
        "title": HTTPStatus.INTERNAL_SERVER_ERROR.phrase,
        "status": 500,
        "code": "OUR_MISTAKE",
        "detail": "The program has made a mistake, which is in its log with this time.",
    }
    return _respond(500, body)
