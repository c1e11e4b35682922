"""Sample people with phones, whose keys are kept in a file, so that `phones` can play with them."""

import json
from pathlib import Path
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from house.room import Room
from house.settings import Settings

from .api_keys import OPERATOR, new_key
from .opening import Owner, want
from .tables import Account, ApiKey

_FILE: Final = "sample-keys.json"
SAMPLES: Final = tuple(
    Owner(
        user_id=user_id,
        account_number=f"TAP-{user_id}",
        account_type="current",
        bank_sender=bank,
        balance=10_000,
    )
    for user_id, bank in (("ada", "First Bank"), ("blaise", "Second Bank"))
)


def prepare(room: Room) -> None:
    """Make the sample accounts and their keys, and one for the operator, unless they are there."""
    keys = read_keys(room.settings)

    def work(session: Session) -> dict[str, str]:
        made = {}
        for owner in SAMPLES:
            if session.get(Account, owner.user_id) is None:
                want(session, room.desk, owner)
            made[owner.user_id] = _key(session, owner.user_id, keys)
        return made | {OPERATOR: _key(session, None, keys)}

    found = room.database.transact(work)
    if found != keys:
        _write_keys(room.settings, found)


def read_keys(settings: Settings) -> dict[str, str]:
    """The keys of the sample people and of the operator; empty if there are none."""
    try:
        found = json.loads(path_of(settings).read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): str(key) for name, key in found.items()} if isinstance(found, dict) else {}


def _key(session: Session, user_id: str | None, known: dict[str, str]) -> str:
    """The known key, if it is still good for something, or a new one."""
    key = known.get(user_id or OPERATOR, "")
    is_there = session.execute(select(ApiKey.key_id).where(ApiKey.key_id == key.partition(".")[0])).first()
    return key if is_there is not None else new_key(session, user_id)


def _write_keys(settings: Settings, keys: dict[str, str]) -> None:
    path = path_of(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(keys))
    draft.replace(path)


def path_of(settings: Settings) -> Path:
    """The file of the keys."""
    return settings.folder / _FILE
