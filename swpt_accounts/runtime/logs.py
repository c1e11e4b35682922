"""Log lines on standard error: as text for people, or as JSON, one object a line."""

import json
import logging
import re
import threading
from datetime import UTC, datetime
from typing import Any, Final

from .errors import mask_secrets
from .settings import Settings
from .shown import spelled_out, spelled_out_lines

# They log every connection, frame and plugin; what matters to operators we say ourselves.
TALKATIVE: Final = {
    "alembic.runtime.plugins": logging.WARNING,
    # It says once more why a form was refused.
    "flask_wtf.csrf": logging.WARNING,
    "pika": logging.CRITICAL,
    "waitress": logging.ERROR,
    "waitress.queue": logging.ERROR,
}

_PLAIN: Final = re.compile(r"[\w.,:+-]+", re.ASCII)
_LONGEST_VALUE: Final = 100

_logger: Final = logging.getLogger(__name__)


class TextFormatter(logging.Formatter):
    """`2026-11-21T09:30:00.123Z WARNING swpt_accounts.web: message [debtor_id=1]`, without passwords."""

    def format(self, record: logging.LogRecord) -> str:
        # A message of several lines would look like several messages, maybe of somebody else; and a
        # terminal would obey what somebody else has written into an address.
        message = spelled_out(record.getMessage())
        if pairs := " ".join(f"{name}={_shown(value)}" for name, value in _fields(record).items()):
            message += f" [{pairs}]"
        first = f"{_timestamp(record)} {record.levelname} {record.name}: {message}"
        # An error may quote lines of somebody else; no line but the first begins with a moment.
        trace = spelled_out_lines("\n".join(_trace(self, record)))
        return mask_secrets("\n".join([first, *(f"  {line}" for line in trace.split("\n") if line)]))


class JsonFormatter(logging.Formatter):
    """An object with `ts`, `level`, `logger`, `message`, what the line is about, and maybe `trace`."""

    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record) | {
            "ts": _timestamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": mask_secrets(record.getMessage()),
        }
        if trace := _trace(self, record):
            fields["trace"] = mask_secrets("\n".join(trace))
        return json.dumps(fields)


def set_up(settings: Settings) -> None:
    """Send the log of this process to standard error, and start it with the settings' warnings."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name, level in TALKATIVE.items():
        logging.getLogger(name).setLevel(level)
    threading.excepthook = _log_end_of_thread
    for line in settings.warnings:
        _logger.warning("%s", line)


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    """A thread that ends with an error; Python would write it down as it is, passwords included."""
    if ended.exc_value is not None and not issubclass(ended.exc_type, SystemExit):
        name = ended.thread.name if ended.thread is not None else "?"
        _logger.critical("The thread %s ended because of a bug.", name, exc_info=ended.exc_value)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """The ids of what the line is about (see `log_fields`); texts of others are kept short."""
    fields: dict[str, Any] = getattr(record, "fields", {})
    return {
        name: value[:_LONGEST_VALUE] if isinstance(value, str) else value
        for name, value in fields.items()
        if value is not None
    }


def _shown(value: object) -> str:
    """A value between other words: quoted, with odd characters spelled out, if it is not plain."""
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def _timestamp(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds") + "Z"


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    lines = []
    if record.exc_info:
        lines.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        lines.append(formatter.formatStack(record.stack_info))
    return lines


def about(**fields: Any) -> dict[str, Any]:
    """The `extra` of a log line with these fields."""
    return {"fields": fields}


def about_account(key: tuple[int, int] | None) -> dict[str, Any]:
    """The `extra` of a line about an account, by its debtor and creditor; of a general one, if None."""
    return about() if key is None else about(debtor_id=key[0], creditor_id=key[1])
