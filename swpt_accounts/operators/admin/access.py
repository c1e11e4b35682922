"""Who may enter: nobody, unless a token or a session says otherwise.

Reading needs the role viewer and everything else the role operator; a view is open to everybody only if
it says so itself.

Every refusal is in the log, with the address.  What somebody may have guessed, or goes on with although it
is over, counts against the address; no token at all does not, because every visit begins so.
"""

from collections.abc import Callable
from logging import getLogger
from typing import Any, Final, TypeVar

import msgspec
from flask import Flask, current_app, g, redirect, request, url_for
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import BadHost, BadRequest, Forbidden, TooManyRequests, Unauthorized
from werkzeug.wrappers import Response as AnyResponse

from swpt_accounts.operators.inspection.tokens import OPERATOR, ApiToken, find_token
from swpt_accounts.operators.operations.orders import Order

from .context import admin_context
from .sessions import Ended, find_session
from .throttle import RETRY_AFTER_SECONDS, Throttle

F = TypeVar("F", bound=Callable[..., Any])

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_LONGEST_ORIGIN: Final = 200
_OPEN: Final = "is_open_to_everybody"
_THROTTLE: Final = "swpt_accounts throttle"

_logger: Final = getLogger(__name__)


class Visitor(msgspec.Struct, frozen=True):
    """Who makes this request."""

    name: str
    role: str
    is_in_session: bool

    @property
    def is_operator(self) -> bool:
        return self.role == OPERATOR


def open_to_everybody(view: F) -> F:
    """Mark a view that needs no token; it has to check for itself whatever needs a check."""
    setattr(view, _OPEN, True)
    return view


def set_up(app: Flask) -> None:
    """Put the guard before every request."""
    # Only the guard knows which requests come from a browser that could be tricked.
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    # As long as the session: the token belongs to it.
    app.config["WTF_CSRF_TIME_LIMIT"] = None
    CSRFProtect(app)
    app.extensions[_THROTTLE] = Throttle()
    app.before_request(_guard)


def visitor() -> Visitor | None:
    """Who makes this request; nobody on pages that are open to everybody."""
    found: Visitor | None = g.get("visitor")
    return found


def order() -> Order:
    """The order that this request is, for the audit."""
    who = visitor()
    assert who is not None, "the guard lets nobody else give orders"
    assert who.is_operator, "the guard lets nobody else give orders"
    return Order(who.name, request.remote_addr or "unknown", admin_context().now)


def check_forgery() -> None:
    """Refuse a form that another site may have sent; raises BadRequest, which says what may be set wrong."""
    try:
        current_app.extensions["csrf"].protect()
    except CSRFError as error:
        why = error.description or "unknown"
        _logger.warning(
            "A form from %s may come from another site (%s It is for %s, and comes from %s): refused %s.",
            request.remote_addr,
            why,
            request.host_url,
            _origin(request.referrer),
            _shown_request(),
        )
        raise BadRequest(f"{why} {_hint(why)}") from None


def _hint(why: str) -> str:
    """What an operator can do about a form that was refused for this reason."""
    if why == "The referrer does not match the host.":
        return (
            f"Your browser is at {_origin(request.referrer)}, and this server takes itself to be at"
            f" {request.host_url}: let the proxy pass on the host with its port, as nginx does with"
            " `proxy_set_header Host $http_host;`."
        )
    if why == "The referrer header is missing.":
        return "Let the browser send it to the site that it is at."
    if admin_context().settings.admin_https and not request.is_secure:
        return (
            "ADMIN_HTTPS is set, and this request did not come by HTTPS: go through the proxy, name it in"
            " ADMIN_TRUSTED_PROXY, and let it send X-Forwarded-Proto; or set ADMIN_HTTPS=no."
        )
    return "Let the browser keep cookies of this site, and load the page with the form again."


def _origin(address: str | None) -> str:
    """Scheme, host and port of an address; the rest of it is nobody's business."""
    parts = (address or "").split("/", 3)
    return "/".join(parts[:3])[:_LONGEST_ORIGIN] or "an unknown page"


def log_in(token: str) -> ApiToken:
    """The valid token that this text is; raises Unauthorized, or TooManyRequests after many failures."""
    context = admin_context()
    _check_patience()
    with context.reading() as connection:
        found = find_token(connection, token, context.now())
    if found is None:
        _throttle().note(_address(), token)
        _logger.warning("A token from %s is not valid: refused %s.", request.remote_addr, _shown_request())
        raise Unauthorized("The token is not valid: it is unknown, expired or revoked.")
    return found


def _guard() -> AnyResponse | None:
    if has_bad_address():
        raise BadRequest("The host or the query of this address cannot be read.")
    view = current_app.view_functions.get(request.endpoint or "")
    if request.endpoint == "static" or getattr(view, _OPEN, False):
        return None
    authorization = request.headers.get("Authorization")
    if authorization is not None:
        token, is_in_session = log_in(_bearer(authorization)), False
    else:
        found = find_session(admin_context())
        if isinstance(found, Ended):
            _note_ended(found)
        if not isinstance(found, ApiToken):
            return _send_to_login()
        token, is_in_session = found, True
    # Known before anything is refused: the page that says so leads back to the console.
    g.visitor = Visitor(token.name, token.role, is_in_session)
    if request.method not in _SAFE:
        _check_role(token)
        if is_in_session:
            check_forgery()
    return None


def _check_role(token: ApiToken) -> None:
    if token.role == OPERATOR:
        return
    throttle, who = _throttle(), f"token {token.api_token_id}"
    if throttle.is_exhausted(who):
        raise TooManyRequests(
            "This was refused too often: try again in a minute.", retry_after=RETRY_AFTER_SECONDS
        )
    throttle.note(who, _shown_request())
    _logger.warning(
        "%r from %s is no operator: refused %s.", token.name, request.remote_addr, _shown_request()
    )
    raise Forbidden("This needs a token with the role operator; yours has the role viewer.")


def _check_patience() -> None:
    """Raise TooManyRequests if too much from this address was wrong within a minute."""
    if _throttle().is_exhausted(_address()):
        _logger.warning(
            "Too many wrong tokens or ended sessions from %s: refused %s without a look.",
            request.remote_addr,
            _shown_request(),
        )
        raise TooManyRequests(
            "There were too many wrong tokens or ended sessions from your address: try again in a minute.",
            retry_after=RETRY_AFTER_SECONDS,
        )


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        _check_patience()
        _throttle().note(_address(), authorization)
        _logger.warning(
            "What %s sends is no bearer token: refused %s.", request.remote_addr, _shown_request()
        )
        raise Unauthorized("Send the token as `Authorization: Bearer TOKEN`.")
    return token.strip()


def _note_ended(ended: Ended) -> None:
    """Write down that somebody goes on with a session that is over; all its requests count once a minute."""
    _check_patience()
    _throttle().note(_address(), ended.key)
    whose = "somebody" if ended.name is None else repr(ended.name)
    _logger.warning(
        "The session of %s from %s is over (%s): refused %s.",
        whose,
        request.remote_addr,
        ended.why,
        _shown_request(),
    )


def _send_to_login() -> AnyResponse:
    """A browser goes to the login page; a program is answered that it needs a token."""
    if request.method in _SAFE and is_page():
        target = request.full_path.rstrip("?")
        response = redirect(url_for("entrance.login", next=target), 303)
        response.headers["Cache-Control"] = "no-store"
        return response
    _logger.warning("A request from %s has no token: refused %s.", request.remote_addr, _shown_request())
    raise Unauthorized("This needs a token: send it as `Authorization: Bearer TOKEN`.")


def has_bad_address() -> bool:
    """Whether the host cannot be one, or the query is no text: pages repeat both, and cannot be shown."""
    try:
        request.query_string.decode()
    except UnicodeDecodeError:
        return True
    return isinstance(request.routing_exception, BadHost)


def is_page() -> bool:
    """Whether this request is for a page of the console, which people look at."""
    return (
        not has_bad_address()
        and request.path.startswith("/admin")
        and not request.path.startswith("/admin/api/")
    )


def _shown_request() -> str:
    return f"{request.method} {request.path}"


def _address() -> str:
    return f"address {request.remote_addr}"


def _throttle() -> Throttle:
    found: Throttle = current_app.extensions[_THROTTLE]
    return found
