"""The fast and the slow way of decoding agree on everything, and neither can be made to work hard."""

import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from swpt_accounts.wire.messages import Malformed, Message, decode
from swpt_accounts.wire.messages.diagnosis import diagnose
from tests.backstage.message_bodies import CONFIGURE, GOOD, JSON, body_of
from tests.backstage.odd_bodies import VALUES, deliveries, join
from tests.backstage.wire_examples import INCOMING


def outcome(body: bytes, type_property: str | None, *, slow: bool) -> str:
    message = diagnose(body, type_property) if slow else decode(body, JSON, type_property)
    return repr(message)  # tells -0.0 from 0.0


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
