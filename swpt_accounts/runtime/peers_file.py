"""The file that names the peers: TOML in, the table of who may say what out.

All that is wrong with it is one line, which names the place.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from swpt_accounts.wire.codes import CT_AGENT, CT_DIRECT, CT_ISSUING, RESERVED_COORDINATOR_TYPES
from swpt_accounts.wire.numbers import MAX_UINT64, MIN_INT64, ROOT_CREDITOR_ID, i64
from swpt_accounts.wire.peers import IdRange, Ids, Peer, Peers, overlap
from swpt_accounts.wire.routing import hex_key

_COMMON_TYPES: Final = frozenset({CT_AGENT, CT_DIRECT, CT_ISSUING})
_TOP_KEYS: Final = frozenset({"peers", "default"})
_ENTRY_KEYS: Final = frozenset({"creditors", "debtors", "coordinator_types"})
_COORDINATOR_TYPE: Final = re.compile(r"[\x20-\x7e]{1,30}")
_KEY: Final = re.compile(r"#|(?:[0-9a-f]{2}\.){1,7}#|(?:[0-9a-f]{2}\.){7}[0-9a-f]{2}")
_IDS: Final = (
    "must be an id, like 4294967297, or the beginning of a routing key, like '00.00.01.#', or '#' for all"
)


class WrongFile(ValueError):
    """The file can not be used; the text is a sentence that names the place."""


class _Entry(msgspec.Struct, frozen=True):
    """One table of the file, read but not yet compared with others."""

    place: str
    creditors: tuple[IdRange, ...]
    debtors: tuple[IdRange, ...]
    coordinator_types: frozenset[str]


def read_peers_path(content: str) -> str:
    """The path of a file of peers that can be used, or nothing; raises WrongFile."""
    if content:
        read_peers(content, "")
    return content


def read_peers(path: str, server_user: str) -> Peers:
    """The table in a file; `server_user` is who the server is at the broker, and no peer.

    Raises WrongFile with a sentence that names the place.
    """
    try:
        document = tomllib.loads(Path(path).read_bytes().decode())
    except OSError as error:
        raise WrongFile(f"must be a file that can be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise WrongFile("must be text in UTF-8") from None
    except (ValueError, RecursionError) as error:
        # The path itself can be impossible, and what is in the file no TOML.
        raise WrongFile(f"must be a TOML file: {str(error).splitlines()[0]}") from None
    return _table(document, server_user)


def _table(document: Mapping[str, Any], server_user: str) -> Peers:
    _only(document, _TOP_KEYS, "the top")
    users = document.get("peers", {})
    if not isinstance(users, dict):
        raise WrongFile("peers: must be tables, like [peers.NAME]")
    if not document:
        raise WrongFile("must have a table [peers.NAME] for each broker user, or [default]")
    named = {user: _entry(f"peers.{_shown(user)}", table) for user, table in users.items()}
    for user, entry in named.items():
        if not user or len(user.encode()) > 255:
            raise WrongFile(f"{entry.place}: must be the name of a broker user, of 1 to 255 bytes")
    if server_user in named:
        place = named[server_user].place
        raise WrongFile(f"{place}: is the user of PROTOCOL_BROKER_URL, and no peer: give agents their own")
    _refuse_shared(list(named.values()))
    default = None
    if "default" in document:
        entry = _entry("default", document["default"])
        _refuse_shared([entry])
        default = _peer(entry, list(named.values()))
    by_user = {user: _peer(entry, ()) for user, entry in named.items()}
    return Peers(by_user=by_user, default=default, server_user=server_user)


def _entry(place: str, table: Any) -> _Entry:
    if not isinstance(table, dict):
        raise WrongFile(f"{place}: must be a table, like [{place}]")
    _only(table, _ENTRY_KEYS, place)
    creditors, debtors = (
        tuple(
            _range(f"{place}.{name}[{at}]", item) for at, item in enumerate(_array(f"{place}.{name}", table))
        )
        for name in ("creditors", "debtors")
    )
    if not creditors and not debtors:
        raise WrongFile(f"{place}: must speak for somebody: give it creditors or debtors")
    if IdRange.of_id(ROOT_CREDITOR_ID) in creditors:
        raise WrongFile(f"{place}.creditors: 0 is the root account: name its debtors instead")
    types = frozenset(
        _coordinator_type(f"{place}.coordinator_types[{at}]", item)
        for at, item in enumerate(_array(f"{place}.coordinator_types", table))
    )
    return _Entry(place, creditors, debtors, types)


def _peer(entry: _Entry, others: Iterable[_Entry]) -> Peer:
    """What an entry may do, without what the others have."""
    others = list(others)
    taken = {kind for other in others for kind in other.coordinator_types} - _COMMON_TYPES
    return Peer(
        creditors=Ids.of(entry.creditors, (one for other in others for one in other.creditors)),
        debtors=Ids.of(entry.debtors, (one for other in others for one in other.debtors)),
        coordinator_types=entry.coordinator_types - taken,
    )


def _refuse_shared(entries: list[_Entry]) -> None:
    """No account has two who speak for it, and no coordinator of a type of its own two who are it."""
    for name in ("creditors", "debtors"):
        ranges: list[tuple[IdRange, str]] = [(one, e.place) for e in entries for one in getattr(e, name)]
        found = overlap([one for one, _ in ranges])
        if found is not None:
            (outer, there), (inner, here) = (ranges[at] for at in found)
            raise WrongFile(f"{here}.{name}: {_key(inner)} is already with {there}, as {_key(outer)}")
    owners: dict[str, str] = {}
    for entry in entries:
        for kind in sorted(entry.coordinator_types - _COMMON_TYPES):
            if kind in owners:
                raise WrongFile(
                    f"{entry.place}.coordinator_types: {kind!r} is already with {owners[kind]}, "
                    "and its answers go to one"
                )
            owners[kind] = entry.place


def _only(table: Mapping[str, Any], known: frozenset[str], place: str) -> None:
    for key in table:
        if key not in known:
            raise WrongFile(f"{place}: does not know {_shown(key)}, only {', '.join(sorted(known))}")


def _array(place: str, table: Mapping[str, Any]) -> list[Any]:
    items = table.get(place.rpartition(".")[2], [])
    if not isinstance(items, list):
        raise WrongFile(f"{place}: must be an array, like [...]")
    return items


def _range(place: str, item: Any) -> IdRange:
    if isinstance(item, int) and not isinstance(item, bool) and MIN_INT64 <= item <= MAX_UINT64:
        return IdRange.of_id(i64(item))
    if isinstance(item, str) and _KEY.fullmatch(item):
        return IdRange.of_bytes(bytes.fromhex(item.removesuffix("#").replace(".", "")))
    raise WrongFile(f"{place}: {_shown(item)} {_IDS}")


def _coordinator_type(place: str, item: Any) -> str:
    if not isinstance(item, str) or not _COORDINATOR_TYPE.fullmatch(item):
        raise WrongFile(f"{place}: {_shown(item)} must be a type of 1 to 30 printable ASCII characters")
    if item in RESERVED_COORDINATOR_TYPES:
        raise WrongFile(f"{place}: {item!r} is for the server itself")
    return item


def _key(one: IdRange) -> str:
    """A range as it stands in the file."""
    if one.bits == 64:
        return f"{one.prefix}"
    return ".".join([*hex_key(one.first).split(".")[: one.bits // 8], "#"])


def _shown(item: Any) -> str:
    """What stands in the file, on one line and without an end that is far away."""
    text = ascii(item)
    return text if len(text) <= 60 else text[:60] + "..."
