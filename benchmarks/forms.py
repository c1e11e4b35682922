"""What another form of the messages would bring: JSON beside Cap'n Proto, message by message.

    python -m benchmarks.forms

Sizes in bytes, processor time in microseconds, both forms in one run; every member is set and
read.  Nothing on the wire uses Cap'n Proto (docs/decisions/0028-messages-stay-json.md).
"""

from datetime import date
from pathlib import Path
from time import process_time
from typing import Any, Final, NamedTuple

import capnp
import msgspec

from swpt_accounts.wire.moments import parse_timestamp
from tests.backstage.wire_examples import EXAMPLES

from .manners import mannered

SCHEMA: Final = Path(__file__).parents[1] / "docs" / "smp.capnp"
_ROUNDS: Final = 5_000
_EPOCH: Final = date(1970, 1, 1)


class Row(NamedTuple):
    """One message in both forms."""

    type: str
    json_bytes: int
    capnp_bytes: int
    packed_bytes: int
    json_encode: float
    capnp_encode: float
    json_decode: float
    capnp_decode: float


def load() -> Any:
    """The compiled schema."""
    return capnp.load(str(SCHEMA))


def values_of(body: bytes) -> tuple[str, dict[str, Any]]:
    """The name of the union member, and the fields as the schema has them."""
    members = msgspec.json.decode(body)
    kind = members.pop("type")
    return kind[0].lower() + kind[1:], {_camel(name): _value(name, one) for name, one in members.items()}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _value(name: str, value: Any) -> Any:
    if name == "creation_date":
        return (date.fromisoformat(value) - _EPOCH).days
    if name == "ts" or name.endswith(("_ts", "_at")) or name == "deadline":
        return parse_timestamp(value)
    return value


def encode(schema: Any, kind: str, fields: dict[str, Any]) -> Any:
    """A message of the schema."""
    message = schema.Message.new_message()
    struct = message.init(kind)
    for name, value in fields.items():
        setattr(struct, name, value)
    return message


def read(schema: Any, kind: str, fields: dict[str, Any], encoded: bytes) -> dict[str, Any]:
    """The fields of an encoded message."""
    with schema.Message.from_bytes(encoded) as message:
        struct = getattr(message, kind)
        return {name: getattr(struct, name) for name in fields}


def measure(schema: Any, body: bytes) -> Row:
    """Both forms of one message."""
    kind, fields = values_of(body)
    members = msgspec.json.decode(body)
    struct = msgspec.defstruct(
        members["type"],
        [(name, type(value)) for name, value in members.items() if name != "type"],
        tag=True,
        frozen=True,
        gc=False,
    )
    encoder, decoder = msgspec.json.Encoder(), msgspec.json.Decoder(struct)
    value = decoder.decode(body)
    encoded = encode(schema, kind, fields).to_bytes()
    return Row(
        members["type"],
        len(body),
        len(encoded),
        len(encode(schema, kind, fields).to_bytes_packed()),
        _time(lambda: encoder.encode(value)),
        _time(lambda: encode(schema, kind, fields).to_bytes()),
        _time(lambda: decoder.decode(body)),
        _time(lambda: read(schema, kind, fields, encoded)),
    )


def _time(action: Any) -> float:
    best = float("inf")
    for _ in range(3):
        started = process_time()
        for _ in range(_ROUNDS):
            action()
        best = min(best, process_time() - started)
    return best / _ROUNDS * 1e6


def main() -> None:
    """Print the table."""
    with mannered():
        _print_table()


def _print_table() -> None:
    schema = load()
    print(f"{'':22}{'bytes':^24}{'encode, us':^18}{'decode, us':^18}")
    print(f"{'':22}{'JSON':>8}{'capnp':>8}{'packed':>8}{'JSON':>9}{'capnp':>9}{'JSON':>9}{'capnp':>9}")
    for row in (measure(schema, example.body) for example in EXAMPLES):
        numbers = "".join(f"{one:8}" for one in row[1:4]) + "".join(f"{one:9.2f}" for one in row[4:])
        print(f"{row.type:22}{numbers}")


if __name__ == "__main__":
    main()
