"""Transactions of operators: tried again after a conflict, like those of messages (rule S10)."""

import random
from collections.abc import Callable
from time import sleep
from typing import Any, Final, TypeVar

from swpt_accounts.storage.faults import Fault, fault_of

_MOST_CONFLICTS: Final = 50

T = TypeVar("T")


def transact(connection: Any, action: Callable[[Any], T]) -> T:
    """Call `action` with a cursor in a transaction, and commit it; again after a conflict (rule S10)."""
    conflicts = 0
    while True:
        try:
            with connection, connection.cursor() as cursor:
                return action(cursor)
        except Exception as error:
            conflicts += 1
            # Who gives an order rather hears soon that it can not be done now.
            if fault_of(error) is not Fault.CONFLICT or conflicts > _MOST_CONFLICTS:
                raise
            sleep(random.uniform(0.0, 0.01 * conflicts))  # noqa: S311 - spreads load, keeps no secret
