"""What stands in paths: a wrong one is refused in a sentence, before anything is looked for."""

from typing import Any

from werkzeug.exceptions import UnprocessableEntity
from werkzeug.routing import BaseConverter

from swpt_accounts.operators.admin.fields import ID_PATTERN, read_id
from swpt_accounts.operators.inspection.agents import SUBNET
from swpt_accounts.wire.moments import Moment, parse_timestamp, render_timestamp
from swpt_accounts.wire.numbers import MAX_INT64


class AccountIdConverter(BaseConverter):
    """An id of a debtor or a creditor, signed or unsigned."""

    name = "account_id"

    def to_python(self, value: str) -> int:
        try:
            return read_id(value)
        except ValueError as error:
            raise UnprocessableEntity(f"{value[:50]!r} {error}.") from None

    @staticmethod
    def openapi(converter: BaseConverter) -> dict[str, Any]:
        return {"type": "string", "pattern": ID_PATTERN}


class PositiveConverter(BaseConverter):
    """A number of a row."""

    name = "positive"

    def to_python(self, value: str) -> int:
        is_number = value.isascii() and value.isdigit() and len(value) <= len(str(MAX_INT64))
        if not is_number or not 1 <= int(value) <= MAX_INT64:
            raise UnprocessableEntity(f"{value[:50]!r} must be a whole number from 1 to {MAX_INT64}.")
        return int(value)

    @staticmethod
    def openapi(converter: BaseConverter) -> dict[str, Any]:
        return {"type": "string", "pattern": "^[1-9][0-9]{0,17}$"}


class SubnetConverter(BaseConverter):
    """The subnet of an agent."""

    name = "subnet"

    def to_python(self, value: str) -> str:
        if SUBNET.fullmatch(value) is None:
            raise UnprocessableEntity(f"{value[:50]!r} must be three bytes in hexadecimal, like 00.00.1f.")
        return value

    @staticmethod
    def openapi(converter: BaseConverter) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^[0-9a-f]{2}(\.[0-9a-f]{2}){2}$"}


class MomentConverter(BaseConverter):
    """A moment, as answers write it."""

    name = "moment"

    def to_python(self, value: str) -> Moment:
        try:
            return parse_timestamp(value)
        except ValueError:
            raise UnprocessableEntity(
                f"{value[:50]!r} must be a moment, like 2026-11-21T10:00:00Z."
            ) from None

    def to_url(self, value: Moment) -> str:
        # A plus sign in an address may be taken for a space.
        return render_timestamp(value).replace("+00:00", "Z")

    @staticmethod
    def openapi(converter: BaseConverter) -> dict[str, Any]:
        return {"type": "string", "format": "date-time"}
