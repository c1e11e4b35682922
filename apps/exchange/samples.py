"""Sample traders with money and offers; their keys are kept in a file, for whoever wants to try them."""

import hashlib
import json
from pathlib import Path
from typing import Final

from sqlalchemy.orm import Session

from house.api_keys import owner_of, rotate_key
from house.room import Room
from house.settings import Settings

from . import booking
from .access import OPERATOR, owner_name
from .currencies import desks
from .steps import DIRECT
from .tables import Deposit, Trader
from .traders import admit, creditor_of

_FILE: Final = "sample-keys.json"
TRADERS: Final = ("ada", "blaise", "carl")
_CENTS: Final = 100_000
_OFFERS: Final = (
    ("ada", "OAK", "FIR", 20_000, 1_500_000),
    ("blaise", "FIR", "YEW", 30_000, 800_000),
    ("carl", "YEW", "FIR", 5_000, 2_000_000),
)
"""Who gives what, wants what, cents, and the rate: whoever gives YEW for OAK at 0.8 completes a ring."""


def prepare(room: Room) -> None:
    """Make the sample traders, their keys, their money and their offers, unless they are there."""
    keys = read_keys(room.settings)

    def admit_all(session: Session) -> dict[str, str]:
        made = {}
        for trader_id in TRADERS:
            admit(session, room, trader_id)
            made[trader_id] = _key(session, trader_id, keys)
        return made | {OPERATOR: _key(session, None, keys)}

    found = room.database.transact(admit_all)
    if found != keys:
        _write_keys(room.settings, found)
    # Raises NotReady until the accounts are open: the house tries again.
    room.database.transact(lambda session: _give(session, room))


def read_keys(settings: Settings) -> dict[str, str]:
    """The keys of the sample traders and of the operator; empty if there are none."""
    try:
        found = json.loads(path_of(settings).read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): str(key) for name, key in found.items()} if isinstance(found, dict) else {}


def path_of(settings: Settings) -> Path:
    """Where the keys are."""
    return settings.folder / _FILE


def _give(session: Session, room: Room) -> None:
    for trader_id in TRADERS:
        if session.get_one(Trader, trader_id).closed_at is not None:
            continue
        for code, desk in desks(room).items():
            deposit_id = hashlib.sha256(f"sample {trader_id} {code}".encode()).hexdigest()[:32]
            if session.get(Deposit, deposit_id) is None:
                session.add(Deposit(deposit_id=deposit_id, trader_id=trader_id, currency=code, cents=_CENTS))
                session.flush()
                to = creditor_of(session, trader_id)
                desk.issue(session, f"deposit:{deposit_id}", to=to, cents=_CENTS, note=deposit_id)
    for number, (trader_id, give, want, cents, rate) in enumerate(_OFFERS):
        if session.get_one(Trader, trader_id).closed_at is None:
            terms = booking.Terms(give=give, want=want, cents=cents, rate=rate, mode=DIRECT)
            booking.place(session, room, trader_id, f"sample-{number}", terms)


def _key(session: Session, trader_id: str | None, known: dict[str, str]) -> str:
    """The known key, if it is still good for something, or a new one."""
    key = known.get(trader_id or OPERATOR, "")
    owner = owner_name(trader_id)
    return key if owner_of(session, key) == owner else rotate_key(session, owner)


def _write_keys(settings: Settings, keys: dict[str, str]) -> None:
    path = path_of(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(keys))
    draft.replace(path)
