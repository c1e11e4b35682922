"""The usual way, to compare with: balances in one table, `SELECT … FOR UPDATE`, in the same framework.

It is no application, and nobody should build one like it: a request that is sent again pays again, and
whoever writes to the table makes money.
"""

import sys
from typing import Any, Final

from flask import Flask, request
from marshmallow import Schema, fields
from sqlalchemy import BigInteger, Column, Identity, MetaData, Table, insert, select, update
from sqlalchemy.orm import Session

from house import api
from house.fields import Money
from house.problems import Problem
from house.program import run
from house.room import Application, Room, room
from house.settings import Defaults
from house.tables import Tables
from house.verifying import Report

PEOPLE: Final = 1000
_PURPOSE: Final = "usual"
_metadata = MetaData()
_balance = Table(
    "usual_balance",
    _metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("cents", BigInteger, nullable=False),
)
_entry = Table(
    "usual_entry",
    _metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("payer", BigInteger, nullable=False),
    Column("payee", BigInteger, nullable=False),
    Column("cents", BigInteger, nullable=False),
)
usual = api.HouseBlueprint("usual", __name__, description="The usual way.")


class TransferSchema(Schema):
    payee = fields.Integer(required=True)
    sum = Money(required=True)


class TokenSchema(Schema):
    payer = fields.Integer(required=True)


@usual.post("/token/")
@usual.arguments(TokenSchema)
@usual.response(200)
def token(args: dict[str, int]) -> dict[str, str]:
    """A token for anybody."""
    return {"token": room().signing.sign(_PURPOSE, args["payer"])}


@usual.post("/make-transfer/")
@usual.arguments(TransferSchema)
@usual.response(201)
def make_transfer(args: dict[str, Any]) -> dict[str, int]:
    """Pay somebody."""
    payer = room().signing.read(
        _PURPOSE, request.headers["Authorization"].removeprefix("JWT "), seconds=86400
    )

    def work(session: Session) -> int:
        ids = sorted((payer, args["payee"]))
        wanted = select(_balance).where(_balance.c.id.in_(ids)).order_by(_balance.c.id).with_for_update()
        balances = {row.id: row.cents for row in session.execute(wanted)}
        if balances[payer] < args["sum"]:
            raise Problem("INSUFFICIENT_FUNDS")
        for who, cents in ((payer, -args["sum"]), (args["payee"], args["sum"])):
            session.execute(update(_balance).where(_balance.c.id == who).values(cents=balances[who] + cents))
        values = {"payer": payer, "payee": args["payee"], "cents": args["sum"]}
        session.execute(insert(_entry).values(**values))
        return int(balances[payer]) - int(args["sum"])

    return {"balance": room().database.transact(work)}


def _set_up(_room: Room, app: Flask) -> None:
    api.set_up(
        app,
        title="The usual way",
        description="",
        prefix="/api",
        blueprints=((usual, "/api"),),
        security={},
        swagger_at="/",
    )


def _prepare(one: Room) -> None:
    def work(session: Session) -> None:
        if session.execute(select(_balance.c.id).limit(1)).first() is None:
            rows = [{"id": number, "cents": 10**12} for number in range(PEOPLE)]
            session.execute(insert(_balance), rows)

    one.database.transact(work)


APPLICATION: Final = Application(
    name="usual",
    title="The usual way",
    defaults=Defaults(port=0, debtor_id=0x757375616C, subnet=0x00007F0000000000),
    tables=Tables("usual", _metadata),
    set_up=_set_up,
    verify=lambda _room: Report(),
    prepare=_prepare,
)

if __name__ == "__main__":
    sys.exit(run(APPLICATION))
