"""Bodies that are good at heart with something odd in them: to be read, or refused with a reason."""

from hypothesis import strategies as st

from swpt_accounts.wire.messages import MESSAGE_TYPES

from .message_bodies import GOOD, MAX_INT64, MIN_INT64


def texts(*values: str) -> list[str]:
    """The values as JSON texts."""
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
