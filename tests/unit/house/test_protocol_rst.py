"""The document of the protocol says what the code does: fields, examples, codes, keys and words."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args

import msgspec
import pytest

from swpt_accounts import events
from swpt_accounts.rules.root_config import parse_root_config
from swpt_accounts.wire import codes, messages, routing
from swpt_accounts.wire.messages import Reason

TEXT: Final = (Path(__file__).parents[3] / "protocol.rst").read_text(encoding="utf-8")

_TITLE: Final = re.compile(r"^(?P<title>\S.*)\n(?P<line>([=~-])\3{2,})$", re.MULTILINE)
_FIELD: Final = re.compile(r"^(?P<names>``\w+``(?:, ``\w+``)*) : \S.*\n {4}\S", re.MULTILINE)
_TERM: Final = re.compile(r"^(?P<term>\S.*)\n {4}\S", re.MULTILINE)
_EXAMPLE: Final = re.compile(
    r"^Published to ``(?P<exchange>\w+)`` with the key ``(?P<key>[^`]+)``:\n\n"
    r"\.\. code-block:: json\n\n(?P<body>(?: {3}.*\n)+)",
    re.MULTILINE,
)


class Example(NamedTuple):
    """A message that the document shows, as it travels."""

    exchange: str
    key: str
    body: bytes

    @property
    def members(self) -> dict[str, Any]:
        """The members of the body."""
        return dict(json.loads(self.body))


def section(title: str) -> str:
    """The text under a title, up to the next title of the same or a higher rank."""
    ranks = "=-~"
    titles = list(_TITLE.finditer(TEXT))
    starts = [at for at, match in enumerate(titles) if match["title"] == title]
    assert len(starts) == 1, f"{len(starts)} sections have the title {title!r}"
    rank = ranks.index(titles[starts[0]]["line"][0])
    following = (match for match in titles[starts[0] + 1 :] if ranks.index(match["line"][0]) <= rank)
    end = next(following, None)
    return TEXT[titles[starts[0]].end() : end.start() if end else len(TEXT)]


def documented_fields(title: str) -> list[str]:
    """The fields that the section of a message defines, in order."""
    return [name for match in _FIELD.finditer(section(title)) for name in re.findall(r"\w+", match["names"])]


def literals(text: str) -> set[str]:
    """Everything between double backquotes."""
    return set(re.findall(r"``([^`]+)``", text))


def examples() -> list[Example]:
    """All messages that the document shows; the line breaks are for the eye."""
    return [
        Example(match["exchange"], match["key"], re.sub(r"(^|\n) +|\n", "", match["body"]).encode())
        for match in _EXAMPLE.finditer(TEXT)
    ]


INCOMING: Final = [example for example in examples() if example.members["type"] in messages.MESSAGE_TYPES]
EVENT_TYPES: Final = {struct.__name__: struct for struct in get_args(events.Event)}
OUTGOING: Final = [example for example in examples() if example.members["type"] in EVENT_TYPES]
STRUCTS: Final = [*messages.MESSAGE_TYPES.values(), *EVENT_TYPES.values()]
STATUS_CODES: Final = {
    value for name, value in vars(codes).items() if name == value and name != codes.INVALID_CONFIGURATION
}


def name_of(value: Any) -> str | None:
    """How a case is called in the report."""
    if isinstance(value, Example):
        return f"{value.members['type']}-{value.members['creditor_id']}"
    return value.__name__ if isinstance(value, type) else None


@pytest.mark.parametrize("struct", STRUCTS, ids=name_of)
def test_every_field_is_documented_in_order(struct):
    """The section of a message defines `type` and then all of its fields, in the order of the code."""
    assert documented_fields(struct.__name__) == ["type", *struct.__struct_fields__]


def test_every_message_has_an_example():
    """No message is left without at least one example, and no JSON block escapes these tests."""
    shown = {example.members["type"] for example in examples()}
    assert shown == {struct.__name__ for struct in STRUCTS}
    assert TEXT.count(".. code-block:: json") == len(examples())


@pytest.mark.parametrize("example", examples(), ids=name_of)
def test_an_example_stands_under_its_own_message(example):
    """An example belongs to the section of its type, and shows the fields in the order of that section."""
    message_type = example.members["type"]
    assert example.key in section(message_type)
    assert list(example.members) == documented_fields(message_type)


@pytest.mark.parametrize("example", INCOMING, ids=name_of)
def test_an_incoming_example_is_understood(example):
    """The server decodes an example of an incoming message, with and without the type property."""
    members = example.members
    for type_property in (members["type"], None):
        message = messages.decode(example.body, "application/json", type_property)
        assert type(message).__name__ == members["type"]
        # Timestamps are moments in the code; all other values stand as they were sent.
        for name, value in msgspec.structs.asdict(message).items():
            assert value == members[name] or (name == "committed_at" or name.endswith("ts")), name


@pytest.mark.parametrize("example", OUTGOING, ids=name_of)
def test_an_outgoing_example_is_what_the_server_writes(example):
    """An example of an outgoing message is, byte for byte, what the server writes."""
    assert events.encode(events.decode(example.body)) == example.body


@pytest.mark.parametrize("example", examples(), ids=name_of)
def test_an_example_goes_where_the_code_sends_it(example):
    """Exchange and routing key of an example are those that the code computes."""
    members = example.members
    if example in OUTGOING:
        envelope = events.envelop(events.decode(example.body))
        expected = (envelope.exchange, envelope.routing_key)
    else:
        expected = ("accounts_in", routing.binary_key(members["debtor_id"], members["creditor_id"]))
    assert (example.exchange, example.key) == expected


def test_every_status_code_is_explained():
    """The table of status codes has exactly the codes of `limits`."""
    assert len(STATUS_CODES) == 9
    codes = re.findall(r"^ {3}\* - ``([A-Z_]+)``$", section("Status codes"), re.MULTILINE)
    assert len(codes) == len(set(codes))
    assert set(codes) == STATUS_CODES


def test_the_rejection_code_is_explained():
    """The code of RejectedConfig stands where rejection codes are explained."""
    assert codes.INVALID_CONFIGURATION in literals(section("Rejection codes"))


def test_every_special_coordinator_type_is_explained():
    """The table of coordinator types names all types that have rules of their own, and no others."""
    types = re.findall(r"^ {3}\* - ``(\w+)``$", section("Coordinator types"), re.MULTILINE)
    own_rules = {value for name, value in vars(codes).items() if name.startswith("CT_")}
    assert sorted(types) == sorted(own_rules)


def test_the_reasons_of_dead_letters_stand_in_order():
    """The table of dead letters lists the reasons in the order in which they are checked."""
    reasons = re.findall(r"^ {3}\* - ``(\w+)``$", section("Dead letters"), re.MULTILINE)
    assert reasons == list(get_args(Reason))


@pytest.mark.parametrize(
    ("number", "key"),
    [
        pytest.param(int(number), key, id=number)
        for number, key in re.findall(r"- (-?\d+)\n +- ``([0-9a-f.]{23})``", section("Routing keys"))
    ],
)
def test_the_hexadecimal_keys_are_right(number, key):
    """The table of hexadecimal keys agrees with the code."""
    assert routing.hex_key(number) == key


def test_the_worked_binary_key_is_right():
    """The computation of a binary key that the document shows agrees with the code."""
    shown = section("Routing keys")
    [(debtor_id, creditor_id)] = re.findall(r"account +debtor_id (\d+), creditor_id (\d+)", shown)
    account = int(debtor_id), int(creditor_id)
    assert routing.account_digest(*account).hex() in shown
    assert routing.binary_key(*account) in shown


@pytest.mark.parametrize(
    ("verdict", "document"),
    [
        (verdict, document)
        for verdict in ("Accepted", "Refused")
        for line in re.findall(rf"^{verdict}: (.*)$", section("RootConfigData"), re.MULTILINE)
        for document in re.findall(r"``([^`]+)``", line)
        if document != "sha256"
    ],
)
def test_the_configurations_are_judged_as_shown(verdict, document):
    """What the document calls accepted or refused, the server accepts or refuses."""
    assert (parse_root_config(document) is not None) == (verdict == "Accepted")


def test_the_glossary_defines_each_word_once():
    """The words of the glossary are in alphabetical order, none of them twice."""
    terms = [match["term"].lower() for match in _TERM.finditer(section("Glossary"))]
    assert len(terms) > 50
    assert all(earlier < later for earlier, later in pairwise(terms))
