"""Bytes that were right, or wrong in another way, with parts cut out, doubled, moved, and put in."""

from collections.abc import Sequence
from random import Random

MOST_BYTES = 70_000

_SIZES = [0, 0, 1, 1, 2, 4, 8, 30, 200]
_TIMES = [2, 2, 3, 31, 32, 33, 400, 5000, 66_000]


def mutated(body: bytes, tokens: Sequence[bytes], random: Random) -> bytes:
    """The same after one to four changes; not longer than what is worth a look."""
    for _ in range(random.choice([1, 1, 2, 4])):
        at = random.randint(0, len(body))
        end = min(len(body), at + random.choice(_SIZES))
        body = body[:at] + _instead(body[at:end], body, tokens, random) + body[end:]
    return body[:MOST_BYTES]


def _instead(part: bytes, body: bytes, tokens: Sequence[bytes], random: Random) -> bytes:
    """What comes where a part was."""
    kind = random.randrange(10)
    if kind < 3:
        return random.choice(tokens)
    if kind < 4:
        return part + random.choice(tokens)
    if kind < 5:
        return b""
    if kind < 7:
        return random.randbytes(len(part) or 1)
    if kind < 8:
        start = random.randint(0, len(body))
        return body[start : start + random.choice(_SIZES)]
    if kind < 9:
        return bytes((byte + random.choice([-1, 1])) % 256 for byte in part)
    return (random.choice([*tokens, part]) * random.choice(_TIMES))[:MOST_BYTES]
