"""The rules across the fields of one message (checks 10 to 12 of rules.md#checks-of-a-message)."""

from swpt_accounts.wire.codes import CT_AGENT, CT_DIRECT, CT_ISSUING, RESERVED_COORDINATOR_TYPES
from swpt_accounts.wire.numbers import ROOT_CREDITOR_ID, subnet

from .malformed import Malformed
from .shapes import FinalizeTransfer, Message, PrepareTransfer


def check_rules(message: Message) -> None:
    """Raise Malformed if the fields, each right by itself, do not fit together."""
    if isinstance(message, PrepareTransfer):
        _check_combination(message)
        _check_reserved(message)
        _check_subnet(message)
    elif isinstance(message, FinalizeTransfer):
        _check_reserved(message)


def _check_combination(request: PrepareTransfer) -> None:
    if request.min_locked_amount > request.max_locked_amount:
        raise Malformed("bad_combination", "max_locked_amount: less than min_locked_amount")
    if request.coordinator_type == CT_DIRECT:
        if request.coordinator_id != request.creditor_id:
            raise Malformed("bad_combination", "coordinator_id: not equal to creditor_id")
    elif request.coordinator_type == CT_ISSUING:
        if request.coordinator_id != request.debtor_id:
            raise Malformed("bad_combination", "coordinator_id: not equal to debtor_id")
        if request.creditor_id != ROOT_CREDITOR_ID:
            raise Malformed("bad_combination", "creditor_id: not 0")


def _check_reserved(message: PrepareTransfer | FinalizeTransfer) -> None:
    if message.coordinator_type in RESERVED_COORDINATOR_TYPES:
        raise Malformed("reserved_coordinator_type", "coordinator_type: only for the server itself")


def _check_subnet(request: PrepareTransfer) -> None:
    if request.coordinator_type == CT_AGENT:
        home = subnet(request.creditor_id)
        if home == 0 or subnet(request.coordinator_id) != home:
            raise Malformed("foreign_coordinator", "coordinator_id: not in the sender's non-zero subnet")
