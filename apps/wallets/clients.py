"""Clients: registered with one wallet each, in one transaction."""

import msgspec
from sqlalchemy.orm import Session

from house.desk import Desk

from .tables import Client


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants a wallet."""

    email: str
    password_hash: str
    first_name: str
    last_name: str
    is_staff: bool = False


def register(session: Session, desk: Desk, person: Person) -> int:
    """A new client, and the account of the wallet: both or none.  The e-mail address must be free."""
    client = Client(**msgspec.structs.asdict(person), creditor_id=desk.new_creditor_id())
    session.add(client)
    session.flush()
    desk.open(session, client.creditor_id)
    return client.id
