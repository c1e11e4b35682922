"""Keys: where a message goes, and which shard owns an account (rules.md#keys, rules.md#realms)."""

from functools import lru_cache
from hashlib import md5
from typing import NamedTuple


@lru_cache(maxsize=65536)
def hex_key(number: int) -> str:
    """The routing key of an agent's id: eight dotted hexadecimal bytes (rules.md#keys)."""
    return number.to_bytes(8, "big", signed=True).hex(".")


def account_digest(debtor_id: int, creditor_id: int) -> bytes:
    """The MD5 digest that decides about an account's key and shard (rules.md#keys)."""
    key = debtor_id.to_bytes(8, "big", signed=True) + creditor_id.to_bytes(8, "big", signed=True)
    return md5(key, usedforsecurity=False).digest()


@lru_cache(maxsize=65536)
def binary_key(debtor_id: int, creditor_id: int) -> str:
    """The routing key of an account: 24 dotted bits (rules.md#keys)."""
    return ".".join(format(int.from_bytes(account_digest(debtor_id, creditor_id)[:3], "big"), "024b"))


@lru_cache(maxsize=65536)
def account_word(debtor_id: int, creditor_id: int) -> int:
    """The first 32 bits of the digest, which decide about the shard (rules.md#realms)."""
    return int.from_bytes(account_digest(debtor_id, creditor_id)[:4], "big")


class Realm(NamedTuple):
    """The part of all accounts that one shard owns: those whose digest starts with `prefix`."""

    bits: int
    prefix: int

    @classmethod
    def parse(cls, binding_key: str) -> "Realm":
        """Read a binding key such as `#` or `1.0.#` (checked by the settings)."""
        digits = binding_key.removesuffix("#").replace(".", "")
        return cls(len(digits), int(digits, 2) if digits else 0)

    @classmethod
    def of(cls, word: int, bits: int) -> "Realm":
        """The realm of so many bits that owns the accounts of this word."""
        return cls(bits, word >> (32 - bits))

    def owns(self, debtor_id: int, creditor_id: int) -> bool:
        """Whether the account belongs to this shard."""
        if self.bits == 0:
            return True
        return account_word(debtor_id, creditor_id) >> (32 - self.bits) == self.prefix

    def owns_key(self, key: tuple[int, int]) -> bool:
        """Whether the account of this key belongs to this shard."""
        return self.owns(*key)

    def holds(self, other: "Realm") -> bool:
        """Whether all accounts of the other realm are in this one."""
        return other.bits >= self.bits and other.prefix >> (other.bits - self.bits) == self.prefix

    @property
    def digits(self) -> str:
        """The binary digits that all keys of the realm begin with, such as `10`."""
        return format(self.prefix, f"0{self.bits}b") if self.bits else ""

    @property
    def binding_key(self) -> str:
        """The realm as the binding key of its queue, such as `1.0.#`."""
        return "".join(f"{digit}." for digit in self.digits) + "#"

    def parent(self) -> "Realm | None":
        """The realm that this one was split from; the whole realm has none (rules.md#realms)."""
        return None if self.bits == 0 else Realm(self.bits - 1, self.prefix >> 1)
