"""What is wrong with a call, before anything is stored or sent: the field, and the rule."""

import math
from typing import TypeAlias

from . import limits
from .inputs import Begin, BeginBundle, Commit, Configure
from .messages.fields import (
    is_account_id,
    is_config_data,
    is_coordinator_type,
    is_transfer_note,
    is_transfer_note_format,
)
from .moments import FIRST, LAST
from .policy import Policy
from .records import Decision, Leg, Request, Terms

Fault: TypeAlias = tuple[str, str] | None
"""The field, and the rule that it breaks."""

MAX_KEY_CHARACTERS = 200
LEG_PREFIX = "bundle:"
"""Begins the keys of transfers that belong to bundles."""


def _integer(field: str, value: object, low: int, high: int) -> Fault:
    if type(value) is int and low <= value <= high:
        return None
    return field, f"must be an integer between {low} and {high}"


def _id(field: str, value: object) -> Fault:
    return _integer(field, value, limits.MIN_INT64, limits.MAX_INT64)


def _amount(field: str, value: object, low: int = 0) -> Fault:
    return _integer(field, value, low, limits.MAX_INT64)


def _seconds(field: str, value: object) -> Fault:
    return _integer(field, value, 0, limits.MAX_INT32)


def _key(key: object) -> Fault:
    if type(key) is not str or not 0 < len(key) <= MAX_KEY_CHARACTERS or not is_config_data(key):
        return "key", f"must be a text of 1 to {MAX_KEY_CHARACTERS} characters"
    return None


def _moment(field: str, value: object) -> Fault:
    return _integer(field, value, FIRST, LAST)


def configure_fault(call: Configure, policy: Policy) -> Fault:
    """What is wrong with a configuration."""
    amount = call.negligible_amount
    if type(amount) not in (float, int) or not 0.0 <= amount < math.inf:
        return "negligible_amount", "must be a finite number, not below 0.0"
    if type(call.config_data) is not str or not is_config_data(call.config_data):
        return "config_data", "must be a text of at most 2000 bytes"
    fault = (
        _id("debtor_id", call.key.debtor_id)
        or _id("creditor_id", call.key.creditor_id)
        or _integer("config_flags", call.config_flags, limits.MIN_INT32, limits.MAX_INT32)
    )
    if fault is None and not policy.owns_account(*call.key):
        return "creditor_id", "must be an account of ours"
    return fault


def begin_fault(call: Begin, policy: Policy) -> Fault:
    """What is wrong with a transfer."""
    fault = _key(call.key) or request_fault(call.request, policy)
    if fault is None and call.key.startswith(LEG_PREFIX):
        return "key", f"must not begin with {LEG_PREFIX}"
    if fault is None and call.decision is not None:
        return decision_fault(call.decision)
    return fault


def commit_fault(call: Commit) -> Fault:
    """What is wrong with a decision to commit."""
    return decision_fault(call.decision)


def decision_fault(decision: Decision) -> Fault:
    """What is wrong with an amount and its note."""
    if type(decision.transfer_note) is not str or not is_transfer_note(decision.transfer_note):
        return "transfer_note", "must be a text of at most 500 bytes"
    note_format = decision.transfer_note_format
    if type(note_format) is not str or not is_transfer_note_format(note_format):
        return "transfer_note_format", "must be 0 to 8 letters, digits, points and hyphens"
    return _amount("amount", decision.committed_amount, 1)


def request_fault(request: Request, policy: Policy) -> Fault:
    """What is wrong with what a transfer asks for."""
    if type(request.recipient) is not str or not request.recipient or not is_account_id(request.recipient):
        return "recipient", "must be 1 to 100 ASCII characters"
    kind = request.coordinator_type
    if type(kind) is not str or not is_coordinator_type(kind) or kind in limits.RESERVED_TYPES:
        return "coordinator_type", "must be 1 to 30 printable ASCII characters, and not the server's own"
    return (
        _id("debtor_id", request.debtor_id)
        or _id("creditor_id", request.creditor_id)
        or _id("coordinator_id", request.coordinator_id)
        or _amount("min_locked_amount", request.min_locked_amount)
        or _amount("max_locked_amount", request.max_locked_amount, request.min_locked_amount)
        or _coordinator_fault(request, policy)
        or _terms_fault(request.terms)
    )


def _coordinator_fault(request: Request, policy: Policy) -> Fault:
    kind, coordinator_id = request.coordinator_type, request.coordinator_id
    if kind == limits.DIRECT and coordinator_id != request.creditor_id:
        return "coordinator_id", "must be the creditor_id"
    if kind == limits.ISSUING:
        if coordinator_id != request.debtor_id:
            return "coordinator_id", "must be the debtor_id"
        if request.creditor_id != limits.ROOT_CREDITOR_ID:
            return "creditor_id", "must be 0"
    if kind == limits.AGENT:
        subnet = limits.subnet_of(request.creditor_id)
        if subnet == 0 or limits.subnet_of(coordinator_id) != subnet:
            return "coordinator_id", "must be in the sender's subnet, which is not 0"
    if not policy.owns_coordinator(kind, coordinator_id):
        return "coordinator_id", "must be a coordinator of ours, or the answers will not reach us"
    return None


def _terms_fault(terms: Terms) -> Fault:
    rate = terms.min_demurrage_rate
    if type(rate) not in (float, int) or not -100.0 <= rate <= 0.0:
        return "min_demurrage_rate", "must be between -100.0 and 0.0"
    return (
        _moment("final_interest_rate_ts", terms.final_interest_rate_ts)
        or _seconds("max_commit_delay", terms.max_commit_delay)
        or _seconds("min_commit_period", terms.min_commit_period)
        or (None if terms.decide_within is None else _seconds("decide_within", terms.decide_within))
        or (None if terms.give_up_after is None else _seconds("give_up_after", terms.give_up_after))
    )


def bundle_fault(call: BeginBundle, policy: Policy) -> Fault:
    """What is wrong with a bundle; the field of a leg is named with its number, from 0."""
    fault = (
        _key(call.key)
        or _seconds("decide_within", call.decide_within)
        or _seconds("repair_for", call.repair_for)
    )
    if fault is None and not call.legs:
        return "legs", "must not be empty"
    for number, leg in enumerate(call.legs):
        fault = fault or _leg_fault(leg, policy, f"legs[{number}].")
    return fault


def _leg_fault(leg: Leg, policy: Policy, place: str) -> Fault:
    decision = Decision(
        committed_amount=leg.committed_amount,
        transfer_note=leg.transfer_note,
        transfer_note_format=leg.transfer_note_format,
    )
    fault = request_fault(leg.request, policy) or decision_fault(decision)
    if fault is None and leg.request.max_locked_amount < leg.committed_amount:
        fault = "max_locked_amount", "must be at least the amount to commit"
    if fault is None and leg.payback_creditor_id is not None:
        if not policy.owns_coordinator(limits.DIRECT, leg.payback_creditor_id):
            fault = "payback_creditor_id", "must be a creditor of ours"
        elif not leg.payback_recipient or not is_account_id(leg.payback_recipient):
            fault = "payback_recipient", "must be 1 to 100 ASCII characters"
    return None if fault is None else (place + fault[0], fault[1])
