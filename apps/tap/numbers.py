"""Numbers of errors that a tap can end with; they are members of a result, and never statuses of HTTP."""

from typing import Final

OVERDRAFT: Final = 100
OTHER_SENDER: Final = 200
OTHER_AMOUNT: Final = 300
ALONE: Final = 500
NOT_DONE: Final = 600

MEANINGS: Final = {
    OVERDRAFT: "The sender has less than that.",
    OTHER_SENDER: "The phones name different senders.",
    OTHER_AMOUNT: "The phones name different amounts.",
    ALONE: "The other phone has not sent its half in time.",
    NOT_DONE: "The accounting server has refused it for another reason.",
}


def number_of(outcome: str) -> int:
    """The number for the outcome of a transfer that is not OK."""
    return OVERDRAFT if outcome == "INSUFFICIENT_AVAILABLE_AMOUNT" else NOT_DONE
