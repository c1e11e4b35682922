"""In what a call with a known key differs from the record of the key: the field, and both values."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from .inputs import BeginBundle
from .moments import SECOND
from .records import Bundle, Decision, Leg, Request, Terms, Transfer
from .values import Fault

_PRIVATE: Final = ("transfer_note", "transfer_note_format")
"""What an error does not repeat."""


def request_difference(transfer: Transfer, request: Request, wanted: Decision | None) -> Fault:
    """The first field in which a call differs from the transfer of its key; None if it is the same call."""
    if transfer.bundle_key is not None:
        return "key", f"stands for a leg of the bundle {transfer.bundle_key!r}"
    if (transfer.wanted is None) != (wanted is None):
        return "key", f"stands for a transfer that was begun {_without(transfer.wanted)} an amount to commit"
    if transfer.wanted is not None and wanted is not None:
        fault = decision_difference(transfer.wanted, wanted)
        if fault is not None:
            return fault
    return next(_differences(transfer.request, request), None)


def _without(decision: Decision | None) -> str:
    return "without" if decision is None else "with"


def decision_difference(known: Decision, wanted: Decision) -> Fault:
    """The first field in which two decisions differ."""
    return next(_differences(known, wanted), None)


def bundle_difference(bundle: Bundle, call: BeginBundle) -> Fault:
    """The first field in which a call differs from the bundle of its key."""
    if len(bundle.legs) != len(call.legs):
        return "legs", f"are {len(bundle.legs)} under this key, not {len(call.legs)}"
    for number, (known, wanted) in enumerate(zip(bundle.legs, call.legs, strict=True)):
        for field, detail in _differences(known, wanted):
            return f"legs[{number}].{field}", detail
    if bundle.decide_by - bundle.began_at != call.decide_within * SECOND:
        return "decide_within", f"is another under this key, not {call.decide_within}"
    if bundle.repair_for != call.repair_for:
        return "repair_for", _detail("repair_for", bundle.repair_for, call.repair_for)
    return None


def _differences(known: Any, wanted: Any) -> Iterator[tuple[str, str]]:
    """Of two structs of one class; parts are named by their path."""
    for name in msgspec.structs.asdict(known):
        one, other = getattr(known, name), getattr(wanted, name)
        if one == other:
            continue
        if isinstance(one, Request | Terms | Leg):
            for field, detail in _differences(one, other):
                yield f"{name}.{field}", detail
        else:
            yield name, _detail(name, one, other)


def _detail(name: str, known: object, wanted: object) -> str:
    if name in _PRIVATE:
        return "is another under this key"
    return f"is {known!r} under this key, not {wanted!r}"
