"""HTTP APIs of applications: flask-smorest with strict arguments, exact money, and our form of errors."""

import json
import re
import secrets
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from flask import Flask, Request, Response, request
from flask_smorest import Api, Blueprint
from flask_smorest.spec import prepare_response
from marshmallow import RAISE, Schema, fields, missing
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import BadRequest, UnprocessableEntity, UnsupportedMediaType

from .fields import Money, Text
from .problems import MEDIA_TYPE, Problem
from .shipped import serve_shipped

__all__ = [
    "KEY_PARAMETER",
    "HouseApi",
    "HouseBlueprint",
    "Money",
    "ProblemSchema",
    "Text",
    "idempotency_key",
    "set_up",
]

_KEY: Final = re.compile(r"[\x21-\x7e]{1,100}", re.ASCII)
_KEY_HEADER: Final = "Idempotency-Key"


class StrictParser(FlaskParser):
    """Refuses unknown and repeated arguments, which are mistakes, and bodies that are too deep to read."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {  # noqa: RUF012 - its base declares it so
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "query": RAISE,
    }

    def load_querystring(self, req: Request, schema: Schema) -> Any:
        """The arguments of the query, each of them once."""
        repeated = [name for name, values in req.args.lists() if len(values) > 1]
        if repeated:
            raise UnprocessableEntity(f"{repeated[0][:50]}: must be given only once.")
        return super().load_querystring(req, schema)

    def load_json(self, req: Request, schema: Schema) -> Any:
        """The body, if it can be read at all, and written down again."""
        try:
            body = super().load_json(req, schema)
            if body is not missing:
                json.dumps(body, ensure_ascii=False).encode()
        except RecursionError:
            raise BadRequest("The body is nested too deep.") from None
        except UnicodeEncodeError:
            raise BadRequest("The body has half a character, which is no text.") from None
        except ValueError:
            raise BadRequest("The body has a number of too many digits.") from None
        return body


class HouseBlueprint(Blueprint):
    """A part of an API, with strict arguments."""

    ARGUMENTS_PARSER = StrictParser()


class ProblemSchema(Schema):
    """A problem document (RFC 9457); other members depend on the code."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    code = fields.String(required=True)
    detail = fields.String(required=True)
    fields_ = fields.Dict(data_key="fields")


class HouseApi(Api):
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


def set_up(
    app: Flask,
    *,
    title: str,
    description: str,
    prefix: str,
    blueprints: tuple[tuple[Blueprint, str], ...],
    security: Mapping[str, Mapping[str, str]],
    swagger_at: str,
) -> None:
    """Add an API: blueprints with their prefixes, the OpenAPI document, and the Swagger UI at a path."""
    app.config.update(
        API_TITLE=title,
        API_VERSION="v1",
        OPENAPI_VERSION="3.0.3",
        OPENAPI_URL_PREFIX=prefix,
        OPENAPI_JSON_PATH="openapi.json",
        API_SPEC_OPTIONS={
            "info": {"description": description},
            "security": [{name: []} for name in security],
            "components": {"securitySchemes": dict(security)},
        },
    )
    api = HouseApi(app)
    for blueprint, path in blueprints:
        api.register_blueprint(blueprint, url_prefix=path)
        # Programs send a token or a key with each request, and never cookies.
        if "csrf" in app.extensions:
            app.extensions["csrf"].exempt(blueprint)

    @app.before_request
    def check_media_type() -> None:
        """A body that is not JSON is refused as such, not as one that lacks all members."""
        has_body = bool(request.content_length) or "Transfer-Encoding" in request.headers
        if request.path.startswith(f"{prefix}/") and has_body and not request.is_json:
            raise UnsupportedMediaType("A body must be JSON, with `Content-Type: application/json`.")

    _add_swagger(app, title, f"{prefix}/openapi.json", swagger_at)


def idempotency_key() -> str:
    """The key of the request, or a new one if it has none; raises Problem for one that cannot be used."""
    key = request.headers.get(_KEY_HEADER)
    if key is None:
        return secrets.token_urlsafe(18)
    if not _KEY.fullmatch(key):
        raise Problem(
            "INVALID_FIELDS",
            "Idempotency-Key: must be 1 to 100 visible ASCII characters.",
            fields={_KEY_HEADER: "must be 1 to 100 visible ASCII characters."},
        )
    return key


KEY_PARAMETER: Final = {
    "name": _KEY_HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[!-~]+$"},
    "description": "The same key with the same terms gives the same answer; other terms conflict.",
}
"""For `@blueprint.doc(parameters=[KEY_PARAMETER])`."""


def _add_swagger(app: Flask, title: str, document: str, path: str) -> None:
    page = _SWAGGER_PAGE.format(title=title, document=document)

    serve_shipped(app)

    def swagger() -> Response:
        return Response(page, content_type="text/html; charset=utf-8")

    view: Callable[[], Response] = swagger
    app.add_url_rule(path, "swagger", view)


_SWAGGER_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{title}</title>
  <link rel="icon" href="/shipped/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/shipped/console.css">
  <link rel="stylesheet" href="/shipped/swagger-ui/swagger-ui.css">
  <script defer src="/shipped/swagger-ui/swagger-ui-bundle.js"></script>
  <script defer src="/shipped/api-docs.js"></script>
</head>
<body class="outside">
  <main id="content">
    <h1>{title}</h1>
    <div id="operations" class="light" data-document="{document}">
      <noscript>This page needs JavaScript; the document is at {document}.</noscript>
    </div>
  </main>
</body>
</html>
"""
