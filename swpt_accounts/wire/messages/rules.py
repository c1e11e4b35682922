"""The rules across the fields of one message (checks 10 to 12 of rules.md#checks-of-a-message)."""

from swpt_accounts.wire.codes import CT_AGENT, CT_DIRECT, CT_ISSUING, RESERVED_COORDINATOR_TYPES
from swpt_accounts.wire.numbers import ROOT_CREDITOR_ID, subnet

from .malformed import Malformed
from .shapes import FinalizeTransfer, Message, PrepareTransfer


def check_rules(message: Message) -> Malformed | None:
    """Which rule the fields, each right by itself, break together (P0 and F0); None if they fit."""
    if isinstance(message, PrepareTransfer):
        return _check_combination(message) or _check_reserved(message) or _check_subnet(message)
    if isinstance(message, FinalizeTransfer):
        return _check_reserved(message)
    return None


def _check_combination(request: PrepareTransfer) -> Malformed | None:
    if request.min_locked_amount > request.max_locked_amount:
        return Malformed("bad_combination", "max_locked_amount: less than min_locked_amount")
    if request.coordinator_type == CT_DIRECT:
        if request.coordinator_id != request.creditor_id:
            return Malformed("bad_combination", "coordinator_id: not equal to creditor_id")
    elif request.coordinator_type == CT_ISSUING:
        if request.coordinator_id != request.debtor_id:
            return Malformed("bad_combination", "coordinator_id: not equal to debtor_id")
        if request.creditor_id != ROOT_CREDITOR_ID:
            return Malformed("bad_combination", "creditor_id: not 0")
    return None


def _check_reserved(message: PrepareTransfer | FinalizeTransfer) -> Malformed | None:
    if message.coordinator_type in RESERVED_COORDINATOR_TYPES:
        return Malformed("reserved_coordinator_type", "coordinator_type: only for the server itself")
    return None


def _check_subnet(request: PrepareTransfer) -> Malformed | None:
    if request.coordinator_type == CT_AGENT:
        home = subnet(request.creditor_id)
        if home == 0 or subnet(request.coordinator_id) != home:
            return Malformed("foreign_coordinator", "coordinator_id: not in the sender's non-zero subnet")
    return None
