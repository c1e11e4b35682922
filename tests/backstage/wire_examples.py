"""The example messages of the wire format: a whole currency from creation to purge."""

from pathlib import Path
from typing import Final, NamedTuple

_TEXT: Final = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")


class WireExample(NamedTuple):
    """A message as it travels."""

    title: str
    exchange: str
    routing_key: str
    type: str
    headers: dict[str, str]
    """Header values as texts; empty for messages to the server, whose headers do not matter."""
    body: bytes


def _read(block: str) -> WireExample:
    title, address, headers, body = block.strip().split("\n")
    exchange, routing_key, message_type = address.split(" ")
    pairs = [] if headers == "-" else [header.split("=") for header in headers.split(", ")]
    return WireExample(
        title.removeprefix("# "), exchange, routing_key, message_type, dict(pairs), body.encode()
    )


EXAMPLES: Final = [_read(block) for block in _TEXT.split("\n\n")]
INCOMING: Final = [example for example in EXAMPLES if example.exchange == "accounts_in"]
OUTGOING: Final = [example for example in EXAMPLES if example.headers]
