"""The Cap'n Proto schema of the messages: it compiles, has every field, and keeps every value."""

import msgspec
import pytest

from benchmarks.forms import encode, load, read, values_of
from tests.backstage.wire_examples import EXAMPLES

SCHEMA = load()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.title)
def test_every_example_has_a_binary_form(example):
    """What is written as Cap'n Proto, packed or not, comes back field by field."""
    kind, fields = values_of(example.body)
    message = encode(SCHEMA, kind, fields)
    assert read(SCHEMA, kind, fields, message.to_bytes()) == fields
    packed = encode(SCHEMA, kind, fields).to_bytes_packed()
    struct = getattr(SCHEMA.Message.from_bytes_packed(packed), kind)
    assert {name: getattr(struct, name) for name in fields} == fields


def test_the_schema_has_the_fields_of_the_messages_and_no_others():
    """Each message type is a member of the union, in the order of the wire."""
    messages = {example.type: msgspec.json.decode(example.body) for example in EXAMPLES}
    union = SCHEMA.Message.schema.union_fields
    assert {name[0].upper() + name[1:] for name in union} == messages.keys()
    for name, members in messages.items():
        kind, fields = values_of(msgspec.json.encode(members))
        assert set(getattr(SCHEMA, name).schema.fieldnames) == fields.keys(), kind
