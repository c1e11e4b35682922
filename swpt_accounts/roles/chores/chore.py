"""What a chore is: a name, a period, and a step of bounded size."""

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from swpt_accounts.rules.policy import Periods
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.storage.outbox.publishing import Outbox
from swpt_accounts.transactions.books import Outcome, log_outcome
from swpt_accounts.transactions.context import TransactionContext
from swpt_accounts.wire.moments import Moment

from .held_rows import HeldRows


class StepContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a step works with; `transaction` is fresh for each step."""

    connection: Any
    transaction: TransactionContext
    periods: Periods
    outbox: Outbox
    settings: Settings
    held_rows: HeldRows
    """What other processes have had in hand, and since when."""

    rows: int
    """How many rows a step with a pace looks at."""

    until: Moment
    """An errand does what was due at this moment.

    It is the moment of the step; but who waits for the end of an errand has to find one, however much
    becomes due meanwhile, and so stays with the moment at which he began.
    """

    def finish(self, outcome: Outcome | None) -> None:
        """Publish and log what a step has done, after its commit."""
        if outcome is None:
            return
        log_outcome(outcome)
        if outcome.stored is not None:
            self.outbox.hand_over(outcome.stored)


Position: TypeAlias = Any
"""Where a pass goes on: something that JSON can hold.  None is the beginning."""


class Progress(msgspec.Struct, frozen=True):
    """What one step of a pass has done."""

    rows: int
    """How many rows it changed or announced."""

    position: Position
    """Where the next step goes on; None if the pass is over."""

    outcome: Outcome | None = None
    """What is to be published and logged after the commit."""

    age_seconds: float = 0.0
    """How long ago the pass was begun."""


class Errand(msgspec.Struct, frozen=True):
    """Work that is looked for again and again, because the tables say when it is due.

    `step` does a bounded part of what is due, in transactions of its own, and returns how many
    rows it handled; as long as it handles some, it is called again.
    """

    name: str
    period_seconds: Callable[[Settings], float]
    step: Callable[[StepContext], int]
    deadline: "Deadline | None" = None
    """For work for which nobody waits: it goes at a pace."""


class Deadline(msgspec.Struct, frozen=True):
    """Within how many seconds work has to be done, and how long ago the oldest of it was ordered."""

    seconds: Callable[[Settings], float]
    age_seconds: Callable[[Any, Moment], float]
    """By the tables at a connection, now."""


class Pass(msgspec.Struct, frozen=True):
    """A walk over a whole table, once per period, whatever it finds.

    `step` does a bounded part inside the transaction of the cursor, from a position on.  The
    position is kept in the same transaction, so that no part is done twice or left out when the
    process dies, and any other process can go on.
    """

    name: str
    period_seconds: Callable[[Settings], float]
    step: Callable[[Any, Position, StepContext], Progress]


Chore: TypeAlias = Errand | Pass
