"""Documents that people write for the server, checked by marshmallow (protocol.rst#rootconfigdata).

The stock fields are too tolerant for money: they take numeric strings, and patterns that
end before a newline.  So every member has a reader of its own.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, TypeVar

from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_load

from swpt_accounts.wire.numbers import MAX_INT64, MAX_INTEREST_RATE, MAX_NESTING_LEVELS, MIN_INTEREST_RATE
from swpt_accounts.wire.strict_json import Integer, Real, is_deeper, parse

from .currency import NO_DEBTOR_INFO, CurrencySettings, DebtorInfo

T = TypeVar("T")


class _Member(fields.Field[T]):
    """A member that `read` turns into a value; `read` raises ValidationError."""

    def __init__(self, read: Callable[[object], T], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._read = read

    def _deserialize(
        self,
        value: object,
        attr: str | None,
        data: Mapping[str, Any] | None,
        **kwargs: object,
    ) -> T:
        return self._read(value)


def _read_rate(value: object) -> float:
    rate = float(value) if isinstance(value, Integer | Real) else None
    if rate is None or not MIN_INTEREST_RATE <= rate <= MAX_INTEREST_RATE:
        raise ValidationError(f"Must be a number between {MIN_INTEREST_RATE} and {MAX_INTEREST_RATE}.")
    return rate


def _read_limit(value: object) -> int:
    limit = value.between(0, MAX_INT64) if isinstance(value, Integer) else None
    if limit is None:
        raise ValidationError(f"Must be an integer between 0 and {MAX_INT64}.")
    return limit


def _read_text(holds: Callable[[str], object], expected: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not (isinstance(value, str) and holds(value)):
            raise ValidationError(f"Must be {expected}.")
        return value

    return read


ROOT_CONFIG_TYPE: Final = re.compile(r"RootConfigData(-v[1-9][0-9]{0,5})?")
DEBTOR_INFO_TYPE: Final = re.compile(r"DebtorInfo(-v[1-9][0-9]{0,5})?")
SHA256: Final = re.compile(r"[0-9A-F]{64}")


class DebtorInfoSchema(Schema):
    """The member `info` of a RootConfigData document."""

    class Meta:
        unknown = EXCLUDE

    type = _Member(_read_text(DEBTOR_INFO_TYPE.fullmatch, "DebtorInfo, maybe with a version"))
    iri = _Member(_read_text(lambda text: 1 <= len(text) <= 200, "1 to 200 characters"), required=True)
    content_type = _Member(
        _read_text(lambda text: len(text) <= 100 and text.isascii(), "0 to 100 ASCII characters"),
        data_key="contentType",
        load_default="",
    )
    sha256 = _Member(_read_text(SHA256.fullmatch, "64 uppercase hexadecimal digits"), load_default="")

    @post_load
    def _make(self, data: Mapping[str, Any], **_: object) -> DebtorInfo:
        return DebtorInfo(iri=data["iri"], content_type=data["content_type"], sha256=data["sha256"])


class RootConfigDataSchema(Schema):
    """A RootConfigData document."""

    class Meta:
        unknown = EXCLUDE

    type = _Member(_read_text(ROOT_CONFIG_TYPE.fullmatch, "RootConfigData, maybe with a version"))
    rate = _Member(_read_rate, load_default=0.0)
    limit = _Member(_read_limit, load_default=MAX_INT64)
    info = fields.Nested(DebtorInfoSchema, load_default=NO_DEBTOR_INFO)

    @post_load
    def _make(self, data: Mapping[str, Any], **_: object) -> CurrencySettings:
        return CurrencySettings(
            interest_rate=data["rate"], issuing_limit=data["limit"], debtor_info=data["info"]
        )


_root_config_schema: Final = RootConfigDataSchema()


def parse_root_config(text: str) -> CurrencySettings | None:
    """The settings that the `config_data` of a root account means; None if it is not valid.

    The empty text gives the defaults (protocol.rst#rootconfigdata).
    """
    if text == "":
        return CurrencySettings()
    if is_deeper(text, MAX_NESTING_LEVELS):
        return None
    try:
        document = parse(text)
        # The schema refuses what is not an object as well.
        settings: CurrencySettings = _root_config_schema.load(document)  # type: ignore[arg-type]
    except (ValueError, ValidationError):
        return None
    return settings


settings_of = lru_cache(maxsize=4096)(parse_root_config)
"""`parse_root_config`, remembered: a root configuration is parsed once, not once a batch."""
