"""The fast and the slow way of decoding agree on everything, and neither can be made to work hard."""

import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from swpt_accounts.wire.messages import MESSAGE_TYPES, Malformed, Message, decode
from swpt_accounts.wire.messages.diagnosis import diagnose
from tests.backstage.message_bodies import CONFIGURE, GOOD, JSON, MAX_INT64, MIN_INT64, body_of
from tests.backstage.wire_examples import INCOMING


def outcome(body: bytes, type_property: str | None, *, slow: bool) -> str:
    message = diagnose(body, type_property) if slow else decode(body, JSON, type_property)
    return repr(message)  # tells -0.0 from 0.0


def texts(*values: str) -> list[str]:
    return [f'"{value}"' for value in values]


# What could stand in a member of each kind.
INTEGERS = ["0", "-0", "1", "10", "21", "-1", "2147483648", MAX_INT64, MIN_INT64, "9" * 19, "9" * 400]
INTEGERS += ["1.0", "1e3", "01"]
FLOATS = ["0", "-0", "-0.0", "1", "9007199254740993", "1e30", "1e500", "-1e-500", "5e-324", "1" * 309]
FLOATS += ["9" * 309, "0.1", "1."]
TEXTS = texts("", "direct", "issuing", "agent", "delete", "abc\\n", "\\u0000", "\\ud800", "\\ud83d\\ude00")
TEXTS += texts("\x01", "\x7f", "\\/", "\\x", "\\\\u0000", "\udcff", "я" * 1001, "x" * 501, "я" * 251)
TIMESTAMPS = texts("2026-11-21T10:00:00Z", "2026-11-21T10:00Z", "2026-11-21T10:00:00.5+05:30")
TIMESTAMPS += texts("9999-12-31T23:59:59-14:00", "2026-11-21t10:00:00z", "2026-11-21T24:00:00Z")
TIMESTAMPS += texts("2026-11-21T10:00:00.1234567Z", "2026-02-30T10:00:00Z", "2026-11-21T10:00:00")
TIMESTAMPS += texts("2026-11-21T10:00:00\\u002B00:00", "0001-01-01T00:00:00+00:01")
OTHERS = ["null", "true", "[]", "{}", '[{"x":[1,"y"]}]', "NaN", "tru", '["\udcff"]']
OTHERS += ["[" * 31 + "]" * 31, "[" * 32 + "]" * 32, *texts(*MESSAGE_TYPES)]
VALUES = [*INTEGERS, *FLOATS, *TEXTS, *TIMESTAMPS, *OTHERS]


def join(members: list[tuple[str, str]], space: str = "") -> bytes:
    """A body; a surrogate in it stands for a byte that is not UTF-8."""
    text = "{" + ",".join(f'"{name}":{space}{value}' for name, value in members) + "}" + space
    return text.encode(errors="surrogateescape")


def values_like(text: str) -> list[str]:
    """Values of the same kind as `text`, right and wrong ones."""
    if not text.startswith('"'):
        return FLOATS if "." in text else INTEGERS
    return TIMESTAMPS if text.startswith(('"2026', '"9999')) else TEXTS


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[bytes, str | None]:
    """Bodies that are good at heart, with members changed or bytes mutated, and type properties."""
    message_type = draw(st.sampled_from(list(GOOD)))
    members = list(GOOD[message_type].items())
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        index = draw(st.integers(0, len(members) - 1))
        name, text = members[index]
        value = draw(st.sampled_from(values_like(text) if draw(st.booleans()) else OTHERS + TEXTS))
        change = draw(st.sampled_from(["replace", "replace", "replace", "repeat", "add", "drop"]))
        if change == "replace":
            members[index] = (name, value)
        elif change == "repeat":
            members.insert(index, (name, value))
        elif change == "add":
            members.insert(index, (draw(st.sampled_from(["x", "\\u0074s", "n\\u0000", 'q\\"'])), value))
        elif len(members) > 1:
            del members[index]
    if draw(st.booleans()):
        members = draw(st.permutations(members))
    space = draw(st.sampled_from(["", "", "", " ", "\r\n\t", "\x0b"]))
    body = join(members, space)
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(body)))
        length = draw(st.integers(0, 3))
        body = body[:at] + draw(st.binary(max_size=3) | st.sampled_from(TOKENS)) + body[at + length :]
    return body, draw(st.sampled_from([None, message_type, message_type, *GOOD]))


TOKENS = [
    b"{",
    b"}",
    b"[",
    b'"',
    b"\\",
    b",",
    b":",
    b"0",
    b"-",
    b".",
    b"e",
    b"\\u0000",
    b"\xff",
    b"\xef\xbb\xbf",
]


@pytest.mark.parametrize("message_type", GOOD)
def test_both_ways_agree_on_every_single_change(message_type):
    """Each value in each place: instead of a member, before it, behind it, and as an unknown member."""
    good = list(GOOD[message_type].items())
    for index, (name, text) in enumerate(good):
        for value in VALUES:
            for middle in (
                [(name, value)],
                [(name, value), (name, text)],
                [(name, text), (name, value)],
                [(name, text), ("x", value)],
            ):
                members = [*good[:index], *middle, *good[index + 1 :]]
                body = join(members)
                for type_property in (None, message_type):
                    assert outcome(body, type_property, slow=False) == outcome(body, type_property, slow=True)


@given(deliveries())
@example((b'{"type":"ConfigureAccount","ts":' + b"[" * 5000, "ConfigureAccount"))
@example((b'{"ts":' + b"9" * 5000 + b"}", None))
def test_the_fast_way_takes_nothing_that_the_slow_way_refuses(delivery):
    """Both ways agree on every message, value and reason; the slow way is the definition."""
    body, type_property = delivery
    assert outcome(body, type_property, slow=False) == outcome(body, type_property, slow=True)


@given(st.binary(max_size=200) | st.text(alphabet='[]{}",:\\u0d8e1-.tnf ', max_size=200).map(str.encode))
def test_any_bytes_are_judged(body):
    """Whatever arrives, the answer is a message or a reason."""
    assert outcome(body, None, slow=False) == outcome(body, None, slow=True)


@given(st.sampled_from(INCOMING), st.data())
def test_a_good_message_is_read_however_it_is_written(shown, data):
    """Order of members, white space and escapes make no difference."""
    document = json.loads(shown.body)
    members = data.draw(st.permutations(list(document.items())))
    indent = data.draw(st.sampled_from([None, 0, 2]))
    ensure_ascii = data.draw(st.booleans())
    body = json.dumps(dict(members), indent=indent, ensure_ascii=ensure_ascii).encode()
    expected = decode(shown.body, JSON, shown.type)
    assert isinstance(expected, Message)
    assert decode(body, JSON, None) == diagnose(body, shown.type) == expected


HOSTILE = {
    "brackets": b"[" * 65536,
    "short lists": b"[]" * 32768,
    "quotes": b'"' * 65536,
    "backslashes": b'"' + b"\\" * 65534 + b'"',
    "open string": b'{"' + b'\\"' * 32767,
    "escapes": b'{"x":"' + b"\\u0041" * 10920 + b'"}',
    "surrogates": b'{"x":"' + b"\\ud83d\\ude00" * 5400 + b'\\ud83d"}',
    "digits": b'{"type":"ConfigureAccount","debtor_id":' + b"9" * 65000 + b"}",
    "fraction": body_of(CONFIGURE, negligible_amount="0." + "1" * 65000, config_flags="x"),
    "deep value": b'{"type":"ConfigureAccount","ts":' + b"[" * 65000,
    "deep before type": b'{"ts":' + b"[" * 65000,
    "many members": b"{" + b",".join(b'"%d":1' % number for number in range(7000)) + b"}",
    "repeated type": b"{" + b'"type":"ConfigureAccount",' * 2500 + b'"x":1}',
    "commas": b"{" + b"," * 65000,
    "spaces": b" " * 65536,
    "wide characters": b'{"x":"' + "😀".encode() * 16000 + b'"}',
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_bodies_cost_little(body):
    """The time is proportional to the size, so the largest body takes a few milliseconds at most."""
    started = time.process_time()
    assert isinstance(decode(body, JSON, CONFIGURE), Malformed)
    assert time.process_time() - started < 0.25
