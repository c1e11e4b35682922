"""Problem documents for requests that never reach the application: too big, or no HTTP at all.

The server in front of the application refuses them by itself, in plain text and without our headers.
"""

import json
from typing import Any, Final

from waitress.server import BaseWSGIServer
from waitress.task import ErrorTask

from .headers import protective_headers
from .problems import MEDIA_TYPE

_OF_A_PROBLEM: Final = {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store"}


def explain_unreadable(sockets: dict[int, Any], *, is_https: bool) -> None:
    """Let the listeners among these sockets answer what they cannot read as the application would."""
    headers = protective_headers(is_https=is_https) | _OF_A_PROBLEM

    class Explanation(ErrorTask):  # type: ignore[misc]
        def execute(self) -> None:
            """Answer, and close the connection: what comes next on it is anybody's guess."""
            error = self.request.error
            problem = {"type": "about:blank", "title": error.reason, "status": error.code}
            why = (
                f"The request cannot be read: {error.body}." if error.code < 500 else "It is not your fault."
            )
            body = json.dumps(problem | {"detail": why}).encode()
            self.status = f"{error.code} {error.reason}"
            self.response_headers.extend(headers.items())
            self.set_close_on_finish()
            self.content_length = len(body)
            self.write(body)

    for listener in sockets.values():
        if isinstance(listener, BaseWSGIServer):
            members = {"error_task_class": Explanation}
            listener.channel_class = type("Channel", (listener.channel_class,), members)
