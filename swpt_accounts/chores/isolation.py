"""What the rules can not deal with is passed over with an alarm, and stops nothing else."""

from collections.abc import Callable
from logging import getLogger
from typing import Final, TypeVar

from swpt_accounts.facts import AccountKey
from swpt_accounts.log_fields import about_account

_T = TypeVar("_T")
_Other = TypeVar("_Other")

_logger: Final = getLogger(__name__)


def attempt(rule: Callable[[], _T], key: AccountKey, done: str, otherwise: _Other) -> _T | _Other:
    """What the rule says about an account; `otherwise` if it breaks, and so the account can not be `done`."""
    try:
        return rule()
    except Exception:
        _logger.exception(
            "ALARM: account %d of debtor %d can not be %s; the others are",
            key[1],
            key[0],
            done,
            extra=about_account(key),
        )
        return otherwise
