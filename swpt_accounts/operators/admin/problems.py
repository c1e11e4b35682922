"""Errors as people and programs can use them: pages, and problem documents (RFC 9457)."""

import json
from http import HTTPStatus
from logging import getLogger
from typing import Any, Final

import psycopg2
from flask import Flask, Response, render_template, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import (
    HTTPException,
    MethodNotAllowed,
    NotFound,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
)

from swpt_accounts.broker.errors import BrokerProblem
from swpt_accounts.runtime.errors import OperatorError, cause_of, first_line, mask_secrets
from swpt_accounts.storage.faults import Fault, fault_of

from .access import is_page
from .context import ANSWER_WITHIN_SECONDS

MEDIA_TYPE: Final = "application/problem+json"

_logger: Final = getLogger(__name__)


def set_up(app: Flask) -> None:
    """Answer every error in the same form, and show no stack trace to anybody."""
    app.register_error_handler(HTTPException, _refuse)
    app.register_error_handler(OperatorError, _explain)
    app.register_error_handler(BrokerProblem, _say_broker_is_away)
    app.register_error_handler(psycopg2.Error, _say_database_fails)
    app.register_error_handler(SQLAlchemyError, _say_database_fails)
    app.register_error_handler(Exception, _say_it_is_our_fault)


def problem(status: int, detail: str, **members: Any) -> Response:
    """A problem in the form that the request wants: a page of the console, or a document."""
    title = HTTPStatus(status).phrase
    if is_page() and request.accept_mimetypes.accept_html:
        page = render_template("admin/problem.html", status=status, title=title, detail=detail)
        return Response(page, status, content_type="text/html; charset=utf-8")
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail} | members
    return Response(json.dumps(document), status, content_type=MEDIA_TYPE)


def _refuse(error: HTTPException) -> Response:
    if error.code is None or error.code < HTTPStatus.BAD_REQUEST:
        # A redirect, or a response that somebody has raised.
        return error.get_response()  # type: ignore[return-value]
    data = getattr(error, "data", None) or {}
    if "messages" in data:
        errors = list(_flat(data["messages"]))
        detail = " ".join(f"{where}: {what}" if where else what for where, what in errors)
        members = {"errors": [{"name": where, "detail": what} for where, what in errors]}
        return problem(error.code, detail, **members)
    response = problem(error.code, _description(error))
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    if isinstance(error, (ServiceUnavailable, TooManyRequests)) and error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = 'Bearer realm="swpt_accounts"'
    return response


def _description(error: HTTPException) -> str:
    if isinstance(error, NotFound) and error.description == NotFound.description:
        return "There is nothing at this address: /admin/ leads to all there is."
    return error.description or type(error).__name__


def _flat(messages: Any, path: str = "") -> Any:
    """The pairs of place and sentence in what marshmallow says."""
    if isinstance(messages, dict):
        for name, inner in messages.items():
            # The first level names the part of the request.
            is_part = not path and name in ("json", "query", "form", "path")
            yield from _flat(inner, path if is_part or name == "_schema" else f"{path}.{name}".lstrip("."))
    elif isinstance(messages, list):
        for inner in messages:
            yield from _flat(inner, path)
    else:
        yield path, str(messages)


def _explain(error: OperatorError) -> Response:
    """An order that the state of things does not allow."""
    return problem(HTTPStatus.CONFLICT, mask_secrets(str(error)))


def _say_broker_is_away(error: BrokerProblem) -> Response:
    cause = mask_secrets(first_line(error))
    _logger.error("The broker cannot be asked (%s): answered 503.", cause)
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, f"The broker cannot be asked: {cause}.")


def _say_database_fails(error: Exception) -> Response:
    cause = cause_of(error)
    if isinstance(cause, psycopg2.errors.QueryCanceled | psycopg2.errors.LockNotAvailable):
        _logger.warning("%s took too long: answered 503.", request.path)
        return problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"The database did not answer within {ANSWER_WITHIN_SECONDS} seconds: ask for less, for example"
            " for a shorter time.",
        )
    if not isinstance(error, SQLAlchemyError) and fault_of(error) is Fault.MESSAGE:
        return _say_it_is_our_fault(error)
    _logger.error("The database cannot be asked (%s): answered 503.", mask_secrets(first_line(error)))
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "The database cannot be asked: try again.")


def _say_it_is_our_fault(error: Exception) -> Response:
    _logger.error("A request could not be answered because of a bug: answered 500.", exc_info=error)
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, "The server has made a mistake, which is in its log with this time."
    )
