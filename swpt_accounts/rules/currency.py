"""The settings that an issuer gives to a currency (protocol.rst#rootconfigdata)."""

from typing import Final

import msgspec

from swpt_accounts.wire.numbers import MAX_INT64


class DebtorInfo(msgspec.Struct, frozen=True):
    """Where to find information about the debtor; all texts may be empty."""

    iri: str = ""
    content_type: str = ""
    sha256: str = ""
    """64 uppercase hexadecimal digits, or empty."""


NO_DEBTOR_INFO: Final = DebtorInfo()


class CurrencySettings(msgspec.Struct, frozen=True):
    """What a root configuration says; the defaults are those of the empty one."""

    interest_rate: float = 0.0
    """Percent per year, -50.0 to 100.0."""
    issuing_limit: int = MAX_INT64
    """The most that may be issued, 0 to MAX_INT64."""
    debtor_info: DebtorInfo = NO_DEBTOR_INFO


class Currency(msgspec.Struct, frozen=True):
    """The root configuration of a debtor whose root account exists (rules.md#settings-of-a-currency).

    There are no settings if a stored configuration can not be read any more: then accounts keep
    the rate and the info that they have, and nothing is issued until the issuer configures anew.
    """

    config_data: str = ""
    settings: CurrencySettings | None = CurrencySettings()
