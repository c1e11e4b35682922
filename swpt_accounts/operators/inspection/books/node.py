"""Reads what `verify --json` has said on one shard, for the books of the node."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from swpt_accounts.rules.node import CurrencySums, ShardBooks
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.wire.moments import parse_timestamp
from swpt_accounts.wire.routing import Realm

_BindingKey = Annotated[str, msgspec.Meta(pattern=r"^(?:[01]\.){0,20}#$")]


class _Said(msgspec.Struct, frozen=True):
    """The part of the document that the node needs."""

    realm: _BindingKey
    realm_since: str
    began_at: str
    ended_at: str
    is_whole: bool
    foreign_accounts: int
    violations_count: int
    currencies: Sequence[CurrencySums]


def read_books(file: Path) -> ShardBooks:
    """The books of a shard from a file.  Raises OperatorError if it is no such file."""
    try:
        said = msgspec.json.decode(file.read_bytes(), type=_Said)
        moments = [parse_timestamp(text) for text in (said.realm_since, said.began_at, said.ended_at)]
    except (OSError, ValueError) as error:
        raise OperatorError(f"{file} is not what `verify --json` writes: {error}") from None
    return ShardBooks(
        name=file.name,
        realm=Realm.parse(said.realm),
        realm_since=moments[0],
        began_at=moments[1],
        ended_at=moments[2],
        is_whole=said.is_whole,
        violations_count=said.violations_count,
        foreign_accounts=said.foreign_accounts,
        currencies=said.currencies,
    )
