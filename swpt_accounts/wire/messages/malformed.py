"""What is wrong with a message that cannot be taken (rules.md#dead-letters)."""

from typing import Literal, TypeAlias

import msgspec

Reason: TypeAlias = Literal[
    "too_large",
    "bad_content_type",
    "unknown_type",
    "bad_encoding",
    "too_deep",
    "bad_json",
    "not_an_object",
    "type_mismatch",
    "bad_field",
    "bad_combination",
    "reserved_coordinator_type",
    "foreign_coordinator",
    "not_internal",
    "not_allowed",
    "wrong_shard",
]
"""The reasons of the ordered checks, in their order."""


class Malformed(msgspec.Struct, frozen=True, gc=False):
    """Why a message cannot be taken: the first check that it fails; its sender gets no answer.

    `detail` is ASCII, at most 200 characters, names the field, and never shows the
    content of notes or configurations.
    """

    reason: Reason
    detail: str

    def __post_init__(self) -> None:
        plain = self.detail.encode("ascii", "replace").decode("ascii")[:200]
        msgspec.structs.force_setattr(self, "detail", plain)

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"
