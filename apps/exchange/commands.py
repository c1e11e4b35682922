"""Commands of the exchange: new keys."""

import os
from collections.abc import Callable

import click
from sqlalchemy.orm import Session

from house.api_keys import rotate_key
from house.program import visiting
from house.room import Application

from .access import owner_name
from .tables import Trader
from .traders import ESCROW


def commands(application: Callable[[], Application]) -> tuple[click.Command, ...]:
    """The commands; `application` gives the application that they belong to."""

    @click.command("new-key", help="A new key for a trader, or for the operator; the old ones end.")
    @click.argument("trader_id", required=False)
    @click.option("--operator", is_flag=True, help="For the operator.")
    def make_key(trader_id: str | None, operator: bool) -> None:
        if (trader_id is None) == (not operator):
            raise click.UsageError("Name a trader, or say --operator.")

        def work(session: Session) -> str:
            if trader_id == ESCROW or (trader_id is not None and session.get(Trader, trader_id) is None):
                raise click.ClickException(f"There is no trader {trader_id}.")
            return rotate_key(session, owner_name(trader_id))

        with visiting(application(), os.environ) as room:
            click.echo(room.database.transact(work))

    return (make_key,)
