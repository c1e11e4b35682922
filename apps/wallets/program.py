"""The application: what the house is to run."""

from typing import Final

from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from house import api
from house.desk import Desk
from house.passwords import hash_password
from house.room import Application, Room
from house.settings import Defaults
from house.verifying import Report, compare

from . import staff
from .accounts_api import accounts
from .clients import Person, client_by_email, register
from .paying import Terms, begin, hear
from .payments_api import all_may_deposit, payments
from .tables import TABLES, Client, Entry

PREFIX: Final = "/api/v1"
SAMPLE_PASSWORD: Final = "wallets-sample"  # noqa: S105 - everybody may know it
_SAMPLES: Final = (
    ("ada@example.com", "Ada", "Lovelace", 10_000),
    ("blaise@example.com", "Blaise", "Pascal", 5_000),
    ("staff@example.com", "Sam", "Staff", 0),
)
_DESCRIPTION: Final = """\
Wallets on an accounting server.  Register, log in, and send the token as `Authorization: JWT TOKEN`.

Sums are texts like "1.20".  An `Idempotency-Key` makes it safe to ask again: the same key and the same terms
give the same answer.  What takes longer than two seconds is answered by 202 and an address to look at.
Errors are problem documents (RFC 9457) with a `code`.
"""
CODES: Final[dict[str, tuple[int, str]]] = {
    "EMAIL_TAKEN": (400, "Somebody has a wallet with this address already."),
    "INVALID_AMOUNT": (400, "This is not a sum."),
    "INVALID_FIELDS": (400, "Something is missing or wrong."),
    "INSUFFICIENT_FUNDS": (400, "There is not enough money in the wallet."),
    "SAME_ACCOUNT": (400, "You cannot pay yourself."),
    "UNKNOWN_RECIPIENT": (400, "There is no such wallet."),
    "UNKNOWN_INVOICE": (400, "There is no such invoice."),
    "ALREADY_PAID": (400, "This invoice is paid already."),
    "NOT_EMPTY": (400, "There is money in the wallet."),
    "NOT_DONE": (400, "The accounting server has refused it; nothing has moved."),
    "KEY_CONFLICT": (400, "This key stands for something else already."),
}
"""Of wallets: its refusals are all 400."""


def set_up(room: Room, app: Flask) -> None:
    """Routes, and news."""
    all_may_deposit(room)  # a wrong setting is said at the start
    hear(room)
    staff.set_up(app, room)
    api.set_up(
        app,
        title="Wallets",
        description=_DESCRIPTION,
        prefix=PREFIX,
        blueprints=((accounts, f"{PREFIX}/accounts"), (payments, f"{PREFIX}/payments")),
        security={"token": {"type": "apiKey", "in": "header", "name": "Authorization"}},
        swagger_at="/",
    )


def prepare(room: Room) -> None:
    """Make sample people, and give them money."""
    room.database.transact(lambda session: _make_samples(session, room.desk))
    room.database.transact(lambda session: _give_money(session, room.desk))


def _make_samples(session: Session, desk: Desk) -> None:
    for email, first, last, _ in _SAMPLES:
        if client_by_email(session, email) is None:
            person = Person(
                email=email,
                password_hash=hash_password(SAMPLE_PASSWORD),
                first_name=first,
                last_name=last,
                is_staff=email.startswith("staff"),
            )
            register(session, desk, person)


def _give_money(session: Session, desk: Desk) -> None:
    for email, _, _, cents in _SAMPLES:
        client = client_by_email(session, email)
        if client is not None and cents:
            terms = Terms(kind="deposit", payer_id=None, payee_id=client.id, cents=cents, begun_by=client.id)
            begin(session, desk, f"sample:{client.id}", terms)


def greeting(_room: Room) -> str:
    """Who can log in."""
    names = ", ".join(email for email, *_ in _SAMPLES)
    return f"Sample people: {names}; password {SAMPLE_PASSWORD}"


def verify(room: Room) -> Report:
    """The copies of entries against the ledgers."""

    def look(session: Session) -> Report:
        report = Report()
        wanted = select(Client, func.coalesce(func.sum(Entry.cents), 0)).outerjoin(Entry).group_by(Client.id)
        for client, total in session.execute(wanted):
            principal = room.desk.balance(session, client.creditor_id)
            report += compare(f"wallet {client.id}", expected=principal, found=int(total))
        return report

    return room.database.look(look)


APPLICATION: Final = Application(
    name="wallets",
    title="Wallets",
    defaults=Defaults(port=8101, debtor_id=0x77616C6C6574, subnet=0x0000570000000000),
    tables=TABLES,
    set_up=set_up,
    verify=verify,
    prepare=prepare,
    greeting=greeting,
    codes=CODES,
)
