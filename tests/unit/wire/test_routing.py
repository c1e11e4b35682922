"""Keys and realms by tables: where an account belongs, which a shard owns, and which realms lie in which."""

from hashlib import md5

import pytest

from swpt_accounts.wire.numbers import MAX_INT64, MIN_INT64
from swpt_accounts.wire.routing import Realm, account_digest, account_word


def realm(binding_key: str) -> Realm:
    """A realm as the settings name it."""
    return Realm.parse(binding_key)


@pytest.mark.parametrize(
    ("debtor_id", "creditor_id", "written"),
    [
        (0, 0, "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00"),
        (1, 2, "00 00 00 00 00 00 00 01  00 00 00 00 00 00 00 02"),
        (2, 1, "00 00 00 00 00 00 00 02  00 00 00 00 00 00 00 01"),
        (258, 0, "00 00 00 00 00 00 01 02  00 00 00 00 00 00 00 00"),
        (-1, 0, "ff ff ff ff ff ff ff ff  00 00 00 00 00 00 00 00"),
        (0, -1, "00 00 00 00 00 00 00 00  ff ff ff ff ff ff ff ff"),
        (-2, 258, "ff ff ff ff ff ff ff fe  00 00 00 00 00 00 01 02"),
        (MAX_INT64, MIN_INT64, "7f ff ff ff ff ff ff ff  80 00 00 00 00 00 00 00"),
        (MIN_INT64, MAX_INT64, "80 00 00 00 00 00 00 00  7f ff ff ff ff ff ff ff"),
    ],
)
def test_the_digest_of_an_account_is_that_of_its_ids_as_sixteen_bytes(debtor_id, creditor_id, written):
    """First the debtor, then the creditor, both signed and with the highest byte first (rules.md#keys)."""
    assert account_digest(debtor_id, creditor_id) == md5(bytes.fromhex(written)).digest()


@pytest.mark.parametrize(
    ("bits", "owner"), [(0, "#"), (1, "1.#"), (2, "1.0.#"), (3, "1.0.1.#"), (32, f"{'1.0.1.1.' * 8}#")]
)
def test_the_realm_of_a_word_begins_with_its_first_bits(bits, owner):
    """However many bits a node distinguishes, the owner of an account is found."""
    assert Realm.of(0xBBBBBBBB, bits) == realm(owner)


@pytest.mark.parametrize("key", ["#", "0.#", "1.#", "1.0.#", "0.0.1.#"])
def test_a_realm_owns_what_its_words_say(key):
    """The words of accounts and their ids lead to the same owner."""
    one = realm(key)
    for creditor_id in range(64):
        belongs = Realm.of(account_word(7, creditor_id), one.bits) == one
        assert one.owns(7, creditor_id) == one.owns_key((7, creditor_id)) == belongs


@pytest.mark.parametrize(
    ("outer", "inner", "is_held"),
    [
        ("#", "#", True),
        ("#", "1.0.#", True),
        ("1.#", "#", False),
        ("1.#", "1.#", True),
        ("1.#", "0.#", False),
        ("1.#", "1.0.#", True),
        ("1.#", "1.1.0.#", True),
        ("1.#", "0.1.#", False),
        ("1.0.#", "1.#", False),
        ("0.0.#", "0.#", False),
        ("0.#", "0.0.#", True),
    ],
)
def test_a_realm_holds_those_that_begin_like_it(outer, inner, is_held):
    """And itself, but none that is larger."""
    assert realm(outer).holds(realm(inner)) is is_held


@pytest.mark.parametrize("key", ["#", "0.#", "1.1.0.#", f"{'1.' * 20}#"])
def test_a_realm_is_written_as_it_was_read(key):
    """The binding key leads to the realm and back."""
    assert realm(key).binding_key == key
    assert realm(key).digits == key.removesuffix("#").replace(".", "")


@pytest.mark.parametrize(
    ("child", "parent"), [("0.#", "#"), ("1.#", "#"), ("1.0.#", "1.#"), ("1.0.1.#", "1.0.#")]
)
def test_a_realm_was_split_from_the_one_with_a_bit_less(child, parent):
    """The whole realm was split from none."""
    assert realm(child).parent() == realm(parent)
    assert realm("#").parent() is None
