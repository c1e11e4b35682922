"""A request as bytes, what an application answers, and what every answer must keep."""

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from flask import Flask
from werkzeug.test import run_wsgi_app

from swpt_accounts.runtime.logs import TALKATIVE, TextFormatter

# What only an error of ours would show, and a link that runs what somebody else has written.
NEVER = (
    b"Traceback (most recent",
    b'File "/',
    b"psycopg2",
    b"sqlalchemy.",
    b"werkzeug.exceptions",
    b'"javascript:',
)


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """The first header of this name; empty if there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= TALKATIVE.get(record.name, logging.INFO):
            self.records.append(record)


def ask(
    app: Flask,
    method: str,
    path: bytes,
    query: bytes = b"",
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    *,
    allowed: bytes | None = None,
) -> Answer:
    """Answer a request as the server in front of the application hands it on; checks what holds for all.

    No error of ours, nothing in the answer that shows our code, one line of the log at most.  `allowed` is
    the body of an answer with 500 that the protocol asks for.
    """
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path.decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
    for name, value in headers:
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    with _listened() as lines:
        parts, status, received = run_wsgi_app(app.wsgi_app, environ, buffered=True)
        answer = Answer(int(status.split()[0]), list(received), b"".join(parts))
    if answer.body != allowed or answer.status != 500:
        _check(answer, lines.records)
    return answer


@contextmanager
def _listened() -> Iterator[_Lines]:
    """All that is logged meanwhile, from the level on that the server shows."""
    lines = _Lines()
    root = logging.getLogger()
    level = root.level
    root.addHandler(lines)
    root.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        root.removeHandler(lines)
        root.setLevel(level)


def _check(answer: Answer, records: Sequence[logging.LogRecord]) -> None:
    told = [TextFormatter().format(record) for record in records]
    assert answer.status < 500, f"answered {answer.status}: {told}"
    assert not any(record.exc_info for record in records), told
    assert len(told) <= 1, f"more than one line: {told}"
    assert all(line.isprintable() for line in told), f"more than a line: {told}"
    assert not any(trace in answer.body for trace in NEVER), answer.body
    for name, value in answer.headers:
        assert not set(name + value) & {"\r", "\n", "\0"}, (name, value)
