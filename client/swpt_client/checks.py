"""What is wrong with a call, before anything is stored or sent: the field, and the rule."""

import math
from typing import Final

from . import limits
from .inputs import Begin, BeginBundle, Commit, Configure
from .limits import DIRECT
from .messages.fields import (
    is_account_id,
    is_config_data,
    is_coordinator_type,
    is_transfer_note,
    is_transfer_note_format,
)
from .policy import Policy, UnknownAccounts
from .records import ANY_TERMS, AccountKey, Decision, Leg, Request, Terms
from .values import Fault, amount_fault, id_fault, integer_fault, key_fault, moment_fault, seconds_fault

LEG_PREFIX: Final = "bundle:"
"""Begins the keys of transfers that belong to bundles."""
_NOT_OURS: Final = "must be ours, or the answers will not reach us: {} what the agent has as `{}`"


def policy_fault(policy: Policy) -> Fault:
    """What is wrong with what is ours."""
    if policy.subnet is not None:
        fault = id_fault("subnet", policy.subnet)
        if fault is not None:
            return fault
    for one in policy.debtor_ids:
        fault = id_fault("debtor_ids", one)
        if fault is not None:
            return fault
    taken = {*limits.RESERVED_TYPES, limits.DIRECT, limits.ISSUING, limits.AGENT}
    for kind in policy.other_types:
        if type(kind) is not str or not is_coordinator_type(kind) or kind in taken:
            return "other_types", "must be texts of 1 to 30 printable ASCII characters, of no fixed meaning"
    if not isinstance(policy.unknown_accounts, UnknownAccounts):
        return "unknown_accounts", "must be one of UnknownAccounts"
    return None


def account_fault(key: AccountKey) -> Fault:
    """What is wrong with the name of an account."""
    return id_fault("debtor_id", key.debtor_id) or id_fault("creditor_id", key.creditor_id)


def known_key_fault(key: object) -> Fault:
    """What is wrong with a key by which somebody asks; those of legs are allowed, and may be longer."""
    return None if type(key) is str and is_config_data(key) else ("key", "must be a text")


def configure_fault(call: Configure, policy: Policy) -> Fault:
    """What is wrong with a configuration."""
    amount = call.negligible_amount
    if type(amount) not in (float, int) or not 0.0 <= amount < math.inf:
        return "negligible_amount", "must be a finite number, not below 0.0"
    if type(call.config_data) is not str or not is_config_data(call.config_data):
        return "config_data", "must be a text of at most 2000 bytes"
    fault = account_fault(call.key) or integer_fault(
        "config_flags", call.config_flags, limits.MIN_INT32, limits.MAX_INT32
    )
    if fault is None and not policy.owns_account(*call.key):
        if call.key.creditor_id == limits.ROOT_CREDITOR_ID:
            return "debtor_id", _NOT_OURS.format("among", "debtor_ids")
        return "creditor_id", _NOT_OURS.format("in", "subnet")
    return fault


def begin_fault(call: Begin, policy: Policy) -> Fault:
    """What is wrong with a transfer."""
    fault = key_fault(call.key)
    if fault is None and call.key.startswith(LEG_PREFIX):
        return "key", f"must not begin with {LEG_PREFIX}"
    if fault is None and call.decision is not None:
        fault = decision_fault(call.decision)
    return fault or request_fault(call.request, policy)


def commit_fault(call: Commit) -> Fault:
    """What is wrong with a decision to commit."""
    return decision_fault(call.decision)


def decision_fault(decision: Decision) -> Fault:
    """What is wrong with an amount and its note."""
    note, note_format = decision.transfer_note, decision.transfer_note_format
    if type(note) is not str or (note and not is_transfer_note(note)):
        return "transfer_note", "must be a text of at most 500 bytes"
    if type(note_format) is not str or (note_format and not is_transfer_note_format(note_format)):
        return "transfer_note_format", "must be 0 to 8 letters, digits, points and hyphens"
    return amount_fault("committed_amount", decision.committed_amount, 1)


def request_fault(request: Request, policy: Policy) -> Fault:
    """What is wrong with what a transfer asks for."""
    recipient, kind = request.recipient, request.coordinator_type
    if type(recipient) is not str or not recipient or not is_account_id(recipient):
        return "recipient", "must be 1 to 100 ASCII characters"
    if type(kind) is not str or (kind != DIRECT and not _is_free_type(kind)):
        return "coordinator_type", "must be 1 to 30 printable ASCII characters, and not the server's own"
    return (
        id_fault("debtor_id", request.debtor_id)
        or id_fault("creditor_id", request.creditor_id)
        or id_fault("coordinator_id", request.coordinator_id)
        or amount_fault("min_locked_amount", request.min_locked_amount)
        or amount_fault("max_locked_amount", request.max_locked_amount, request.min_locked_amount)
        or _coordinator_fault(request, policy)
        or (None if request.terms is ANY_TERMS else _terms_fault(request.terms))
    )


def _is_free_type(kind: str) -> bool:
    return is_coordinator_type(kind) and kind not in limits.RESERVED_TYPES


def _coordinator_fault(request: Request, policy: Policy) -> Fault:
    kind, coordinator_id = request.coordinator_type, request.coordinator_id
    if kind == DIRECT:
        if coordinator_id != request.creditor_id:
            return "coordinator_id", "must be the creditor_id"
    elif kind == limits.ISSUING:
        if coordinator_id != request.debtor_id:
            return "coordinator_id", "must be the debtor_id"
        if request.creditor_id != limits.ROOT_CREDITOR_ID:
            return "creditor_id", "must be 0"
    elif kind == limits.AGENT:
        subnet = limits.subnet_of(request.creditor_id)
        if subnet == 0 or limits.subnet_of(coordinator_id) != subnet:
            return "coordinator_id", "must be in the sender's subnet, which is not 0"
    if policy.owns_coordinator(kind, coordinator_id):
        return None
    if kind in (DIRECT, limits.AGENT):
        return "coordinator_id", _NOT_OURS.format("in", "subnet")
    if kind == limits.ISSUING:
        return "coordinator_id", _NOT_OURS.format("among", "debtor_ids")
    return "coordinator_type", _NOT_OURS.format("among", "other_types")


def _terms_fault(terms: Terms) -> Fault:
    if not isinstance(terms, Terms):
        return "terms", "must be Terms"
    rate = terms.min_demurrage_rate
    if type(rate) not in (float, int) or not -100.0 <= rate <= 0.0:
        return "terms.min_demurrage_rate", "must be between -100.0 and 0.0"
    within, after = terms.decide_within, terms.give_up_after
    return (
        moment_fault("terms.final_interest_rate_ts", terms.final_interest_rate_ts)
        or seconds_fault("terms.max_commit_delay", terms.max_commit_delay)
        or seconds_fault("terms.min_commit_period", terms.min_commit_period)
        or (None if within is None else seconds_fault("terms.decide_within", within))
        or (None if after is None else seconds_fault("terms.give_up_after", after))
    )


def bundle_fault(call: BeginBundle, policy: Policy) -> Fault:
    """What is wrong with a bundle; the field of a leg is named with its number, from 0."""
    fault = (
        key_fault(call.key)
        or seconds_fault("decide_within", call.decide_within)
        or seconds_fault("repair_for", call.repair_for)
    )
    if fault is None and not call.legs:
        return "legs", "must not be empty"
    for number, leg in enumerate(call.legs):
        fault = fault or _leg_fault(leg, policy, f"legs[{number}].")
    return fault


def _leg_fault(leg: Leg, policy: Policy, place: str) -> Fault:
    if not isinstance(leg, Leg):
        return place.removesuffix("."), "must be a Leg"
    decision = Decision(
        committed_amount=leg.committed_amount,
        transfer_note=leg.transfer_note,
        transfer_note_format=leg.transfer_note_format,
    )
    fault = request_fault(leg.request, policy)
    if fault is not None:
        return f"{place}request.{fault[0]}", fault[1]
    fault = decision_fault(decision)
    if fault is None and leg.request.max_locked_amount < leg.committed_amount:
        fault = "request.max_locked_amount", "must be at least the amount to commit"
    if fault is None and leg.payback_creditor_id is not None:
        if not policy.owns_coordinator(limits.DIRECT, leg.payback_creditor_id):
            fault = "payback_creditor_id", "must be a creditor of ours"
        elif not leg.payback_recipient or not is_account_id(leg.payback_recipient):
            fault = "payback_recipient", "must be 1 to 100 ASCII characters"
    return None if fault is None else (place + fault[0], fault[1])
