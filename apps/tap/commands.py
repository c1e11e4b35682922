"""Commands of tap: two phones to play with, and new keys."""

import os
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import click
from sqlalchemy.orm import Session

from house import money
from house.program import visiting
from house.room import Application
from house.settings import read_settings

from . import phones
from .api_keys import new_key
from .samples import SAMPLES, read_keys
from .tables import Account


def commands(application: Callable[[], Application]) -> tuple[click.Command, ...]:
    """The commands; `application` gives the application that they belong to."""

    @click.command("new-key", help="A new key for a user, or for the operator; the old ones end.")
    @click.argument("user_id", required=False)
    @click.option("--operator", is_flag=True, help="For the operator.")
    def make_key(user_id: str | None, operator: bool) -> None:
        if (user_id is None) == (not operator):
            raise click.UsageError("Name a user, or say --operator.")

        def work(session: Session) -> str:
            if user_id is not None and session.get(Account, user_id) is None:
                raise click.ClickException(f"There is no user {user_id}.")
            return new_key(session, user_id)

        with visiting(application(), os.environ) as room:
            click.echo(room.database.transact(work))

    @click.command("phones", help="Play two phones that touch each other, on the running program.")
    @click.option("--amount", help="What is paid; asked for if it is not given.")
    @click.option("--mismatch", is_flag=True, help="The payee's phone expects another amount.")
    @click.option("--alone", is_flag=True, help="Only the payer's phone sends its half.")
    @click.option("--many", type=click.IntRange(1, 100_000), default=1, help="So many taps.")
    @click.option("--address", help="Where the program is; by default as the settings say.")
    def play(amount: str | None, mismatch: bool, alone: bool, many: int, address: str | None) -> None:
        settings = read_settings(application().name, application().defaults, os.environ)
        keys = read_keys(settings)
        payer_id, payee_id = (owner.user_id for owner in SAMPLES)
        if payer_id not in keys or payee_id not in keys:
            raise click.ClickException(f"There are no keys of sample people in {settings.folder}.")
        where = (address or f"http://127.0.0.1:{settings.port}").rstrip("/")
        wanted = _amount(amount or click.prompt("Amount", default="1.20"))
        payer, payee = (phones.Phone(where, name, keys[name]) for name in (payer_id, payee_id))
        try:
            seen = phones.many(many, lambda: phones.tap(payer, payee, wanted, mismatch=mismatch, alone=alone))
        except OSError as error:
            raise click.ClickException(f"Nobody answers at {where}: {error}") from error
        for text, count in Counter(_told(one) for one in seen).most_common():
            click.echo(text if many == 1 else f"{count} x {text}")
        if many == 1:
            click.echo(f"The tap: {where}/api/v1/transactions/{seen[0].get('key', '')}", file=sys.stderr)

    return make_key, play


def _amount(text: str) -> str:
    try:
        return money.show(money.parse(text))
    except money.InvalidAmount as error:
        raise click.BadParameter(str(error), param_hint="--amount") from None


def _told(seen: dict[str, Any]) -> str:
    if seen["http"] >= 400:
        return f"refused: {seen['code']}: {seen['detail']}"
    parties = f"{seen['payer']} -> {seen['payee'] or '?'}: {seen['amount']}"
    errors = [f" {number} ({why})" for number, why in zip(seen["errors"], seen["meanings"], strict=True)]
    return f"{parties}: {seen['status']}" + "".join(errors)
