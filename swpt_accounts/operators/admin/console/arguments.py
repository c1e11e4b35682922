"""What the pages share: arguments of forms and links, read strictly, and the blueprint of all pages."""

import re
from typing import Any, Final

from flask import Blueprint, Request, flash, redirect, request
from marshmallow import EXCLUDE, Schema, ValidationError
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import UnprocessableEntity
from werkzeug.wrappers import Response

from swpt_accounts.operators.admin.api.arguments import StrictParser
from swpt_accounts.operators.admin.fields import Moment

_DAY_LENGTH: Final = len("2026-11-21")

console = Blueprint("console", __name__, url_prefix="/admin")

# A moment without a zone, as people type it; the forms say that it is UTC.
_LOCAL_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?", re.ASCII)

REFRESH_SECONDS: Final = (10, 60)
"""How often a page may be loaded anew by itself."""


class FormMoment(Moment):
    """A moment from a form: UTC, with or without saying so; a day alone is its beginning."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, str) and _LOCAL_MOMENT.fullmatch(value := value.strip()):
            value = value.replace(" ", "T") + "Z" if len(value) > _DAY_LENGTH else value + "T00:00:00Z"
        try:
            return super()._deserialize(value, attr, data, **kwargs)
        except ValidationError:
            raise ValidationError("must be a moment in UTC, like 2026-11-21 10:00") from None


class _FormParser(StrictParser):
    """Fields that somebody left empty are not there."""

    def load_querystring(self, req: Request, schema: Schema) -> Any:
        """The filled fields of the query."""
        filled = MultiDict((name, value) for name, value in req.args.items(multi=True) if value.strip())
        check_refresh(filled.pop("refresh", None))
        return super().load_querystring(_Asked(filled), schema)  # type: ignore[arg-type]


def check_refresh(text: str | None) -> None:
    """Every page takes `refresh`; raises UnprocessableEntity that says what is expected."""
    if text is not None and text not in map(str, REFRESH_SECONDS):
        raise UnprocessableEntity(f"refresh: must be {' or '.join(map(str, REFRESH_SECONDS))} seconds.")


class _Asked:
    """As much of a request as the parser looks at."""

    def __init__(self, args: "MultiDict[str, str]") -> None:
        self.args = args


_PARSER: Final = _FormParser()


def asked(schema: type[Schema]) -> dict[str, Any]:
    """What the address of this page asks; raises UnprocessableEntity that says what is expected."""
    found: dict[str, Any] = _PARSER.parse(schema, request, location="query")
    return found


def filled(schema: type[Schema]) -> dict[str, Any]:
    """What a form says; raises UnprocessableEntity that says what is expected."""
    # The mark against forgery is in the form as well, and is checked elsewhere.
    found: dict[str, Any] = _PARSER.parse(schema(unknown=EXCLUDE), request, location="form")
    return found


def done(sentence: str, target: str) -> Response:
    """Go on to a page, which says what was done."""
    flash(sentence)
    return redirect(target, 303)
