"""Seals follow from each other, and each is what it says; a table of what may be changed, and is seen."""

import json
from hashlib import sha256

import msgspec
import pytest

from scripts import check_seals
from swpt_accounts.rules.seal import BEGINNING, FIRST, Place, Seal, broken_link, digest, next_seal
from tests.backstage.builders import NOW

ROWS = sha256(b"rows").hexdigest()


def chain(length: int) -> list[Seal]:
    """Seals that follow from each other."""
    seals: list[Seal] = []
    for number in range(1, length + 1):
        last = seals[-1] if seals else None
        seals.append(next_seal(last, Place(100 * number), number, ROWS, NOW + number))
    return seals


def test_a_seal_is_the_hash_of_lines_that_anybody_can_write():
    """The text is fixed, so that other programs compute the same."""
    seal = next_seal(None, Place(0, 5), 2, ROWS, 1795996800000000)
    assert seal.text == (
        f"swpt_accounts seal 1\n1\n0 -9223372036854775808\n0 5\n2\n{ROWS}\n1795996800000000\n{FIRST}\n"
    )
    assert seal.sha256 == sha256(seal.text.encode()).hexdigest() == digest(seal)


def test_a_chain_is_whole():
    """Every seal begins where the last one ends, and names it."""
    last = None
    for seal in chain(4):
        assert broken_link(last, seal) is None
        last = seal
    assert chain(1)[0].begins == BEGINNING


@pytest.mark.parametrize("ends", [Place(100), Place(99)])
def test_a_segment_has_something_in_it(ends):
    """It goes on where the last one has ended; anything else is a fault of ours."""
    with pytest.raises(AssertionError, match=r"^a segment goes on where the last one has ended"):
        next_seal(chain(1)[0], ends, 0, ROWS, NOW)


CHANGES = [
    ({"rows": 7}, "it is not the SHA-256 of what it says"),
    ({"rows_sha256": FIRST}, "it is not the SHA-256 of what it says"),
    ({"sealed_at": NOW}, "it is not the SHA-256 of what it says"),
    ({"ends": Place(555)}, "it is not the SHA-256 of what it says"),
    ({"begins": Place(101)}, "it does not begin where the last one ends"),
    ({"previous": ROWS}, "it does not name the last one"),
    ({"seal_id": 3}, "the seal 2 is missing"),
]


@pytest.mark.parametrize("is_sealed_anew", [False, True])
@pytest.mark.parametrize(("changes", "why"), CHANGES)
def test_a_seal_that_was_changed_is_found(changes, why, is_sealed_anew):
    """At the seal itself, or, if that was made anew, at the next one."""
    first, second, third = chain(3)
    forged = msgspec.structs.replace(second, **changes)
    if is_sealed_anew and "SHA-256 of what" in why:
        forged = msgspec.structs.replace(forged, sha256=digest(forged))
        assert broken_link(first, forged) is None
        assert broken_link(forged, third) in (
            "it does not name the last one",
            "it does not begin where the last one ends",
        )
    else:
        assert broken_link(first, forged) == why


def exported(seals: list[Seal]) -> list[dict[str, object]]:
    """Seals as a file has them."""
    read: list[dict[str, object]] = [json.loads(json.dumps(seal.document())) for seal in seals]
    return read


def test_the_small_program_agrees():
    """What the server takes for a whole chain, a program that knows nothing of it does as well."""
    seals = chain(3)
    assert check_seals.check(exported(seals), {2: seals[1].sha256}, {1: b"rows"}) == []


def test_the_small_program_finds_what_was_made_anew():
    """A chain that is whole, but is not the one that was kept; one that has lost its end; other rows."""
    seals, kept = chain(3), {2: chain(3)[1].sha256, 5: ROWS}
    anew = [next_seal(None, Place(100), 9, ROWS, NOW)]
    anew += [next_seal(anew[0], Place(200), 9, ROWS, NOW)]
    assert check_seals.check(exported(anew), kept, {1: b"other rows"}) == [
        "the rows of seal 1 are not those that were sealed",
        f"seal 2 is not the one that was kept: {kept[2]}",
        "seal 5 was kept, and is not there any more",
    ]
    assert check_seals.check(exported(seals[1:]), {}, {}) == ["the seal 1 is missing"]


@pytest.mark.parametrize(("changes", "why"), CHANGES)
def test_the_small_program_finds_every_change(changes, why):
    """Whatever of a seal is changed."""
    first, second, third = chain(3)
    assert check_seals.check(exported([first, msgspec.structs.replace(second, **changes), third]), {}, {}), (
        why
    )
