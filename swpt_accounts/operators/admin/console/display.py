"""How the console writes values: amounts, moments, ages, rates; for its templates."""

from collections.abc import Mapping
from socket import gethostname
from typing import Any, Final
from urllib.parse import urlencode

from flask import Flask, url_for
from flask import request as asked

from swpt_accounts.operators.admin.access import visitor
from swpt_accounts.operators.admin.context import admin_context
from swpt_accounts.runtime.shown import spelled_out
from swpt_accounts.runtime.version import version
from swpt_accounts.wire.moments import (
    FIRST_MOMENT,
    LAST_MOMENT,
    MICROSECONDS,
    Moment,
    render_timestamp,
    to_datetime,
)
from swpt_accounts.wire.numbers import u64

from .arguments import REFRESH_SECONDS
from .badges import Waiting

_UNITS: Final = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
# The same as in other links.
_SAFE: Final = "!$'()*,/:;?@"
_MINUS: Final = "\N{MINUS SIGN}"
_SOON_SECONDS: Final = 1

SECTIONS: Final = (
    ("console.overview", "Overview"),
    ("console.debtors", "Debtors"),
    ("console.prepared", "Prepared"),
    ("console.waiting_requests", "Waiting"),
    ("console.refusals", "Refusals"),
    ("console.dead_letters", "Dead letters"),
    ("console.outbox", "Outbox"),
    ("console.chores", "Chores"),
    ("console.audit", "Audit"),
    ("console.manual_begin", "Manual"),
)
"""What the navigation offers."""

_OF_SHARDS: Final = ("console.waiting_requests",)


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
    waiting = Waiting()
    app.jinja_env.globals["waiting"] = lambda: waiting.look(admin_context())


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


def moment_field(moment: Moment) -> str:
    """A moment as a field of a form takes it; nothing for the ends of time, which nobody has chosen."""
    if moment in (FIRST_MOMENT, LAST_MOMENT):
        return ""
    return to_datetime(moment).replace(tzinfo=None).isoformat(" ").removesuffix(":00")


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


def is_only_shard() -> bool:
    """Whether this server has all accounts."""
    return admin_context().settings.realm().bits == 0


def _context() -> dict[str, Any]:
    # Pages of errors use it as well: nothing here may ask the database.
    return {
        "visitor": visitor(),
        "now": admin_context().now(),
        "sections": [one for one in SECTIONS if one[0] not in _OF_SHARDS or not is_only_shard()],
        "here": _here,
        "query_without_page": _query_without_page,
        "moment_field": moment_field,
        "refresh": _refresh(),
        "refresh_choices": REFRESH_SECONDS,
        "version": version(),
        "host": gethostname(),
        "realm": admin_context().settings.protocol_broker_queue_routing_key,
    }


def _query_without_page() -> dict[str, str]:
    """What this page was asked, for the whole list that it is a part of."""
    apart = ("page", "limit", "refresh")
    return {name: value for name, value in asked.args.items() if value and name not in apart}


def _refresh() -> int | None:
    """After how many seconds this page is loaded anew by itself; None if nobody has asked for it."""
    text = asked.args.get("refresh", "")
    return next((seconds for seconds in REFRESH_SECONDS if text == str(seconds)), None)


def _here(**changes: Any) -> str:
    """This page with other arguments; those that are none are left out."""
    arguments: Mapping[str, Any] = {**asked.args.to_dict(), **changes}
    kept = {name: value for name, value in arguments.items() if value not in (None, "")}
    # Not as arguments of `url_for`: somebody may have asked for one that means something there.
    path = url_for(asked.endpoint or "console.overview", **(asked.view_args or {}))
    return f"{path}?{urlencode(kept, safe=_SAFE)}" if kept else path
