"""Texts that people and programs send, where a number, a moment, a name or a note is expected."""

from random import Random
from urllib.parse import quote_from_bytes

from tests.backstage.builders import ALICE, DEBTOR

SENSIBLE = [
    str(DEBTOR),
    str(ALICE),
    "0",
    "1",
    "2",
    "-1",
    "18446744073709551615",
    "-9223372036854775808",
    "00.00.00",
    "to_creditors",
    "park",
    "release",
    "discard",
    "return",
    "tend accounts",
    "2026-11-21T10:00:00Z",
    "2026-11-21",
    "open",
    "reliability",
    "1.0",
    "direct",
]
ODD = [
    "",
    " ",
    "\0",
    "\n",
    "\r\nX: y",
    "\ud800",
    "\ufeff",
    "\u202etxt",
    "é",
    "١٢",
    "1_0",
    "+1",
    "1e400",
    "NaN",
    "-0",
    "9" * 400,
    "9" * 5000,
    "18446744073709551616",
    "-9223372036854775809",
    "0x10",
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    "%s%(x)s",
    "{0}",
    "{{7*7}}",
    "../../etc/passwd",
    "//evil.example",
    "\\\\evil",
    "x" * 501,
    "x" * 65000,
    "2026-02-30",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-11-21T24:00:00Z",
    "a\tb",
    "\x1b[31m",
    "[]",
    "null",
    "true",
    ";",
    "a&b=c",
    "\U0001f600" * 200,
]


def text(random: Random) -> str:
    """A sensible one, or an odd one, or any letters."""
    kind = random.randrange(10)
    if kind < 4:
        return random.choice(SENSIBLE)
    if kind < 8:
        return random.choice(ODD)
    return "".join(chr(random.choice([32, 97, 0x3B1, 0x1F600]) + random.randrange(90)) for _ in range(12))


def encoded(random: Random) -> bytes:
    """The same as it stands in a query or a form, and bytes that no text gives."""
    if random.random() < 0.1:
        return random.choice([b"%", b"%zz", b"%ff", b"%u0041", b"+"])
    return quote_from_bytes(text(random).encode(errors="surrogatepass")).encode()
