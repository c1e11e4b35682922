"""How the console writes values: amounts, moments, ages, rates; for its templates."""

from collections.abc import Mapping
from typing import Any, Final

from flask import Flask, url_for
from flask import request as asked

from swpt_accounts.operators.admin.access import visitor
from swpt_accounts.operators.admin.context import admin_context
from swpt_accounts.runtime.shown import spelled_out
from swpt_accounts.wire.moments import (
    FIRST_MOMENT,
    LAST_MOMENT,
    MICROSECONDS,
    Moment,
    render_timestamp,
    to_datetime,
)
from swpt_accounts.wire.numbers import u64

_UNITS: Final = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_MINUS: Final = "\N{MINUS SIGN}"
_SOON_SECONDS: Final = 1
_MILLISECOND: Final = MICROSECONDS // 1000

SECTIONS: Final = (
    ("console.overview", "Overview"),
    ("console.debtors", "Debtors"),
    ("console.prepared", "Prepared"),
    ("console.refusals", "Refusals"),
    ("console.dead_letters", "Dead letters"),
    ("console.outbox", "Outbox"),
    ("console.chores", "Chores"),
    ("console.audit", "Audit"),
)
"""What the navigation offers."""


def set_up(app: Flask) -> None:
    """Teach the templates of the application to write our values."""
    app.jinja_env.filters.update(
        grouped=grouped, u64=u64, utc=utc, stamp=render_timestamp, ago=ago, lasting=lasting, exact=exact
    )
    # Whatever a template writes: also browsers obey characters that turn the direction of a line.
    app.jinja_env.finalize = _shown
    # Lines of templates should not become lines of white space.
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.context_processor(_context)


def _shown(value: Any) -> Any:
    """What a template writes of a value; markup is our own, and has taken its values through here as well."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return spelled_out(value, keep="\n\t")
    return value


def grouped(number: int) -> str:
    """A whole number in groups of three digits, with a real minus."""
    return f"{number:,}".replace("-", _MINUS)


def exact(number: float) -> str:
    """A binary64 as short as distinguishes it from all others; nothing is rounded away."""
    text = repr(number)
    return text.removesuffix(".0").replace("-", _MINUS)


def utc(moment: Moment) -> str:
    """A moment to the second; all of it is in the attribute of its element."""
    return to_datetime(moment).strftime("%Y-%m-%d %H:%M:%S").rjust(19, "0")


def ago(moment: Moment, now: Moment) -> str:
    """How long ago a moment is, or how far away."""
    seconds = (now - moment) / MICROSECONDS
    if abs(seconds) < _SOON_SECONDS:
        return "just now"
    return f"{lasting(seconds)} ago" if seconds > 0 else f"in {lasting(-seconds)}"


def moment_field(moment: Moment, *, up: bool = False) -> str:
    """A moment as a field of a form takes it; nothing for the ends of time, which nobody has chosen.

    Browsers know milliseconds: the end of a range is rounded up, so that nothing falls out of it.
    """
    if moment in (FIRST_MOMENT, LAST_MOMENT):
        return ""
    rounded = -(-moment // _MILLISECOND) if up else moment // _MILLISECOND
    # Fractions in isoformat have six digits, of which the last three are zeros here.
    text = to_datetime(rounded * _MILLISECOND).replace(tzinfo=None).isoformat()
    return text[:-3] if "." in text else text


def lasting(seconds: float) -> str:
    """A duration in its two largest units."""
    if 0 < seconds < 1:
        return f"{max(1, round(seconds * 1000))} ms"
    rest = int(seconds)
    shown: list[str] = []
    for unit, size in _UNITS:
        number, rest = divmod(rest, size)
        if number or (unit == "s" and not shown):
            shown.append(f"{number:,} {unit}")
        elif shown:
            break
    return " ".join(shown[:2]).removesuffix(" 0 s")


def _context() -> dict[str, Any]:
    # Pages of errors use it as well: nothing here may ask the database.
    return {
        "visitor": visitor(),
        "now": admin_context().now(),
        "sections": SECTIONS,
        "here": _here,
        "moment_field": moment_field,
    }


def _here(**changes: Any) -> str:
    """This page with other arguments; those that are none are left out."""
    arguments: Mapping[str, Any] = {**asked.args.to_dict(), **changes}
    kept = {name: value for name, value in arguments.items() if value not in (None, "")}
    return url_for(asked.endpoint or "console.overview", **(asked.view_args or {}), **kept)
