"""The schemas for programs in other languages: they say of a message what the server says of it."""

import json
import re
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.schemas.__main__ import FOLDER, documents
from swpt_accounts.rules.root_config import parse_root_config
from swpt_accounts.wire.messages import Malformed, decode
from tests.backstage.message_bodies import CONFIGURE, FINALIZE, GOOD, JSON, PENDING, PREPARE, body_of
from tests.backstage.wire_examples import EXAMPLES


def validator(name: str) -> Any:
    """What judges a document by the schema that is checked in."""
    return jsonschema_rs.Draft202012Validator(json.loads((FOLDER / f"{name}.json").read_text()))


VALIDATORS = {name: validator(name) for name in (*{one.type for one in EXAMPLES}, "RootConfigData")}


def is_valid(body: bytes) -> bool:
    """Whether the schema of its type takes a body."""
    document = json.loads(body)
    return bool(VALIDATORS[document["type"]].is_valid(document))


def is_read(body: bytes) -> bool:
    """Whether the server takes a body."""
    return not isinstance(decode(body, JSON, None), Malformed)


def quoted(text: str) -> str:
    """A text as JSON."""
    return json.dumps(text)


def test_the_documents_are_what_the_code_says():
    """`make schemas` would change nothing."""
    assert documents() == {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.title)
def test_every_example_is_valid(example):
    """All messages of the story of a currency, and the root configurations in them."""
    assert is_valid(example.body)
    text = json.loads(example.body).get("config_data", "")
    if text.startswith("{"):
        assert VALIDATORS["RootConfigData"].is_valid(json.loads(text))


@pytest.mark.parametrize("message_type", GOOD)
def test_every_member_is_required_and_has_a_type(message_type):
    """What is missing, null, a list or an object is refused, member by member."""
    assert is_valid(body_of(message_type))
    for name in GOOD[message_type].keys() - {"type"}:
        assert not is_valid(body_of(message_type, without=name))
        for other in ("null", "true", "[]", "{}"):
            assert not is_valid(body_of(message_type, **{name: other}))


@pytest.mark.parametrize(
    ("message_type", "name", "value"),
    [
        (CONFIGURE, "debtor_id", "9223372036854775808"),
        (CONFIGURE, "creditor_id", "-9223372036854775809"),
        (CONFIGURE, "seqnum", "2147483648"),
        (CONFIGURE, "config_flags", "-2147483649"),
        (CONFIGURE, "negligible_amount", "-1"),
        (CONFIGURE, "negligible_amount", '"0.5"'),
        (CONFIGURE, "config_data", quoted("x" * 2001)),
        (CONFIGURE, "config_data", '"\\u0000"'),
        (CONFIGURE, "ts", '"2026-11-21T10:00:00"'),
        (CONFIGURE, "ts", '"2026-11-21 10:00:00Z"'),
        (CONFIGURE, "ts", '"2026-11-21T24:00:00Z"'),
        (CONFIGURE, "ts", '"2026-11-21T10:00:00z"'),
        (CONFIGURE, "ts", '"2026-11-21T10:00:60Z"'),
        (CONFIGURE, "ts", '"2026-13-21T10:00:00Z"'),
        (PREPARE, "min_locked_amount", "-1"),
        (PREPARE, "max_commit_delay", "-1"),
        (PREPARE, "coordinator_type", '""'),
        (PREPARE, "coordinator_type", quoted("x" * 31)),
        (PREPARE, "coordinator_type", quoted("é")),
        (PREPARE, "coordinator_type", quoted("a\tb")),
        (PREPARE, "coordinator_type", quoted("interest")),
        (PREPARE, "coordinator_type", quoted("issuing")),
        (PREPARE, "recipient", quoted("1" * 101)),
        (PREPARE, "recipient", quoted("é")),
        (FINALIZE, "coordinator_type", quoted("delete")),
        (FINALIZE, "committed_amount", "-1"),
        (FINALIZE, "transfer_note", quoted("x" * 501)),
        (FINALIZE, "transfer_note_format", quoted("a_b")),
        (FINALIZE, "transfer_note_format", quoted("123456789")),
        (PENDING, "principal_delta", "0"),
        (PENDING, "principal_delta", "-9223372036854775808"),
    ],
)
def test_what_a_schema_can_say_it_says(message_type, name, value):
    """Ranges, alphabets, lengths, forms and reserved types: refused by the schema as by the server."""
    body = body_of(message_type, **{name: value})
    assert not is_read(body)
    assert not is_valid(body)


VALUES = st.one_of(
    st.integers(-(2**64), 2**64).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(json.dumps),
    st.text(max_size=110).map(quoted),
    st.sampled_from([text for good in GOOD.values() for text in good.values()]),
    st.datetimes().map(lambda moment: quoted(moment.isoformat() + "Z")),
)


@given(st.sampled_from(list(GOOD)), st.data())
def test_a_schema_never_refuses_what_the_server_takes(message_type, data):
    """Whatever stands in a member: what the server reads is valid."""
    name = data.draw(st.sampled_from([one for one in GOOD[message_type] if one != "type"]))
    body = body_of(message_type, **{name: data.draw(VALUES)})
    assert is_valid(body) or not is_read(body)


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        ("{}", True),
        ('{"type": "RootConfigData-v2", "rate": -50, "limit": 0, "unknown": [1]}', True),
        ('{"info": {"iri": "https://example.com/", "contentType": "", "sha256": "%s"}}' % ("0A" * 32), True),
        ('{"type": "RootConfigData-v0"}', False),
        ('{"rate": 100.5}', False),
        ('{"rate": "5"}', False),
        ('{"limit": -1}', False),
        ('{"info": {}}', False),
        ('{"info": {"iri": ""}}', False),
        ('{"info": {"iri": "x", "sha256": "0a"}}', False),
        ("[]", False),
    ],
)
def test_root_configurations_are_judged_alike(text, is_right):
    """By the schema and by the server."""
    assert VALIDATORS["RootConfigData"].is_valid(json.loads(text)) is is_right
    assert (parse_root_config(text) is not None) is is_right


def test_every_reference_of_the_asyncapi_document_leads_somewhere():
    """Channels name messages, messages name schemas, operations name channels."""
    document = json.loads((FOLDER / "asyncapi.json").read_text())
    references = re.findall(r'"\$ref": "#/([^"]+)"', (FOLDER / "asyncapi.json").read_text())
    assert len(references) > 30
    for reference in references:
        place = document
        for part in reference.split("/"):
            place = place[part]
        assert place
