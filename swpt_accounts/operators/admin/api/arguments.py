"""What all blueprints share: strict arguments, and the words for what does not exist."""

from typing import Any, NoReturn

from flask import Request
from flask_smorest import Blueprint
from marshmallow import RAISE, Schema, fields
from webargs.flaskparser import FlaskParser
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest, NotFound, UnprocessableEntity

from swpt_accounts.operators.admin.fields import Moment
from swpt_accounts.wire.moments import FIRST_MOMENT, LAST_MOMENT


class StrictParser(FlaskParser):
    """Refuses unknown and repeated arguments, which are mistakes, and bodies that are too deep to read."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {  # noqa: RUF012 - its base declares it so
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "query": RAISE,
    }

    def load_querystring(self, req: Request, schema: Schema) -> Any:
        """The arguments of the query, each of them once."""
        _refuse_repeated(req.args)
        return super().load_querystring(req, schema)

    def load_json(self, req: Request, schema: Schema) -> Any:
        """The body, if it can be read at all."""
        try:
            return super().load_json(req, schema)
        except RecursionError:
            raise BadRequest("The body is nested too deep.") from None
        except ValueError:
            # Python reads no number of more than 4,300 digits.
            raise BadRequest("The body has a number that is too long.") from None


class AdminBlueprint(Blueprint):
    """A part of the API, with strict arguments."""

    ARGUMENTS_PARSER = StrictParser()


class ProblemMemberSchema(Schema):
    """Which argument is wrong, and what is expected."""

    name = fields.String(required=True)
    detail = fields.String(required=True)


class ProblemSchema(Schema):
    """A problem document (RFC 9457)."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    errors = fields.List(fields.Nested(ProblemMemberSchema))


class RangeQuery(Schema):
    """A range of moments, ends included."""

    since = Moment(load_default=FIRST_MOMENT)
    until = Moment(load_default=LAST_MOMENT)


def check_range(args: dict[str, Any]) -> None:
    """Refuse a range that ends before it begins."""
    if args["since"] > args["until"]:
        raise UnprocessableEntity("since: must not be after until.")


def not_found(what: str) -> NoReturn:
    """Say what does not exist."""
    raise NotFound(f"There is no {what}.")


def _refuse_repeated(args: "MultiDict[str, str]") -> None:
    repeated = [name for name, values in args.lists() if len(values) > 1]
    if repeated:
        raise UnprocessableEntity(f"{repeated[0][:50]}: must be given only once.")
