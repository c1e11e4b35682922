"""Two phones that touch each other: makes a key, and sends both halves from two threads."""

import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec

from house import money

_TIMEOUT_SECONDS: Final = 30.0
_PATIENCE_SECONDS: Final = 60.0
_AT_ONCE: Final = 16


class Phone(msgspec.Struct, frozen=True):
    """Of a user, who has a key."""

    address: str
    user_id: str
    key: str

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """What the answer says; `http` is its status.  Tries again while nobody answers."""
        return self._ask("POST", path, json.dumps(body).encode())

    def get(self, path: str) -> dict[str, Any]:
        """What the answer says; `http` is its status."""
        return self._ask("GET", path, None)

    def _ask(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        headers = {"api_key": self.key, "Content-Type": "application/json"}
        limit = time.monotonic() + _PATIENCE_SECONDS
        while True:
            request = urllib.request.Request(self.address + path, body, headers, method=method)  # noqa: S310
            try:
                with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
                    return {"http": answer.status, **json.load(answer)}
            except urllib.error.HTTPError as error:
                with error:
                    said = {"http": error.code, **json.load(error)}
                if error.code not in (502, 503, 504) or time.monotonic() > limit:
                    return said
            except OSError:
                if time.monotonic() > limit:
                    raise
            # The halves may be sent again as often as one likes.
            time.sleep(0.2)


def tap(
    payer: Phone, payee: Phone, amount: str, *, mismatch: bool = False, alone: bool = False
) -> dict[str, Any]:
    """Let two phones touch; gives what became of it.  With `alone` the payee's phone says nothing."""
    key = secrets.token_urlsafe(18)
    expected = money.show(money.parse(amount) + 5) if mismatch else amount
    send = {
        "key": key,
        "user_id": payer.user_id,
        "transfer_amount": amount,
        "os_sender": "phones",
        "transaction_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    receive = {
        "key": key,
        "user_id": payee.user_id,
        "sender_id": payer.user_id,
        "expected_amount": expected,
        "os_receiver": "phones",
    }
    if alone:
        return payer.post("/api/v1/send/", send)
    with ThreadPoolExecutor(2) as pool:
        halves = [
            pool.submit(payer.post, "/api/v1/send/", send),
            pool.submit(payee.post, "/api/v1/receive/", receive),
        ]
        answers = [one.result() for one in halves]
    refused = next((one for one in answers if one["http"] >= 400), None)
    return refused or _settled(payer, key)


def many(count: int, play: Callable[[], dict[str, Any]]) -> list[dict[str, Any]]:
    """The same `count` times, some at once."""
    with ThreadPoolExecutor(min(count, _AT_ONCE)) as pool:
        return [one.result() for one in [pool.submit(play) for _ in range(count)]]


def _settled(phone: Phone, key: str) -> dict[str, Any]:
    limit = time.monotonic() + _PATIENCE_SECONDS
    while True:
        seen = phone.get(f"/api/v1/transactions/{key}?wait=true")
        if seen.get("status") not in ("waiting", "running") or time.monotonic() > limit:
            return seen
