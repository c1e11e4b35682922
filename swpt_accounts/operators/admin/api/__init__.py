"""The admin API: a blueprint for each noun, put together with its OpenAPI document.

May import: `operators`, `broker`, `rules`, `runtime`, `wire`.
"""

from http import HTTPStatus
from typing import Any, Final

from flask import Flask, request
from flask_smorest import Api
from flask_smorest.spec import prepare_response
from werkzeug.exceptions import UnsupportedMediaType

from swpt_accounts.operators.admin.problems import MEDIA_TYPE

from . import accounts, audit, chores, dead_letters, debtors, outbox, refusals, shard, transfers
from .arguments import ProblemSchema
from .converters import AccountIdConverter, MomentConverter, PositiveConverter, SubnetConverter

PREFIX: Final = "/admin/api/v1"

_DESCRIPTION: Final = """\
What operators ask of the accounting server, and the few orders that they give.  Nothing here moves money.

Send a token as `Authorization: Bearer TOKEN`.  Reading needs the role viewer, everything else the role
operator.  Ids are taken signed or unsigned, and shown both ways.  Numbers of 64 bits are texts, because
browsers would round them.  Moments are UTC.  Every error is a problem document (RFC 9457).
"""

# In the order of the document.
_BLUEPRINTS: Final = (
    debtors.debtors,
    accounts.accounts,
    transfers.transfers,
    refusals.refusals,
    shard.shard,
    outbox.outbox,
    dead_letters.dead_letters,
    chores.chores,
    audit.audit,
)

_CONVERTERS: Final = (AccountIdConverter, MomentConverter, PositiveConverter, SubnetConverter)


class _AdminApi(Api):
    """flask-smorest with our own form of errors."""

    ERROR_SCHEMA = ProblemSchema

    def _register_error_handlers(self) -> None:
        """Errors are handled for the whole application (see `problems`)."""

    def _register_responses(self) -> None:
        for status in HTTPStatus:
            response: dict[str, Any] = {"description": status.phrase}
            if status >= HTTPStatus.BAD_REQUEST:
                response |= {"schema": self.ERROR_SCHEMA, "content_type": MEDIA_TYPE}
            prepare_response(response, self.spec, MEDIA_TYPE)
            self.spec.components.response(status.name, response, lazy=True)
        default = {"description": "A problem", "schema": self.ERROR_SCHEMA, "content_type": MEDIA_TYPE}
        prepare_response(default, self.spec, MEDIA_TYPE)
        self.spec.components.response("DEFAULT_ERROR", default, lazy=True)


def set_up(app: Flask) -> None:
    """Add the API to the application, and its OpenAPI document."""
    app.config.update(
        API_TITLE="swpt_accounts admin API",
        API_VERSION="v1",
        OPENAPI_VERSION="3.0.3",
        OPENAPI_URL_PREFIX=PREFIX,
        OPENAPI_JSON_PATH="openapi.json",
        API_SPEC_OPTIONS={
            "info": {"description": _DESCRIPTION},
            "security": [{"token": []}],
            "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        },
    )
    for converter in _CONVERTERS:
        app.url_map.converters[converter.name] = converter
    api = _AdminApi(app)
    for converter in _CONVERTERS:
        api.register_converter(converter, converter.openapi)
    for blueprint in _BLUEPRINTS:
        api.register_blueprint(blueprint, url_prefix=PREFIX)
    app.before_request(_check_media_type)


def _check_media_type() -> None:
    """A body that is not JSON is refused as such, not as one that lacks all members."""
    has_body = bool(request.content_length) or "Transfer-Encoding" in request.headers
    if request.path.startswith(PREFIX + "/") and has_body and not request.is_json:
        raise UnsupportedMediaType("A body must be JSON, with `Content-Type: application/json`.")
