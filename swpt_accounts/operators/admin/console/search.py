"""Page: finds debtors, accounts and transfers by what somebody has at hand."""

import re
from typing import Any, Final

import msgspec
from flask import redirect, render_template, request, url_for
from werkzeug.exceptions import UnprocessableEntity
from werkzeug.wrappers import Response

from swpt_accounts.operators.admin.context import admin_context
from swpt_accounts.operators.admin.fields import read_id
from swpt_accounts.operators.inspection.debtors import MOST_SEARCHED, debtors_with, find_debtor
from swpt_accounts.operators.inspection.keyset import WINDOW_ROWS
from swpt_accounts.operators.inspection.refusals import Refusal, refusals_of_request
from swpt_accounts.operators.inspection.transfers import (
    MOST_PREPARED_SEARCHED,
    senders_of,
    transfers_of_request,
)
from swpt_accounts.wire.moments import Moment

from .arguments import console

_BETWEEN: Final = re.compile(r"[\s,;:/]+")
_MOST_IDS: Final = 3
_LONGEST: Final = 100


class Hit(msgspec.Struct, frozen=True):
    """Something that was found, and its page."""

    kind: str
    debtor_id: int
    address: str
    creditor_id: int | None = None
    transfer_id: int | None = None
    refused_at: Moment | None = None
    code: str = ""


@console.get("/search")
def search() -> Response | str:
    """Go to the only thing that was found, or show what there is."""
    text = request.args.get("q", "").strip()
    ids = _read(text)
    hits = _find(ids) if ids else []
    if len(hits) == 1:
        return redirect(hits[0].address, 303)
    return render_template(
        "admin/search.html",
        text=text,
        hits=hits,
        debtors=MOST_SEARCHED,
        transfers=WINDOW_ROWS,
        prepared=MOST_PREPARED_SEARCHED,
    )


def _read(text: str) -> list[int]:
    """The ids in what was typed; raises UnprocessableEntity that says what is expected."""
    words = [word for word in _BETWEEN.split(text[:_LONGEST]) if word]
    if len(words) > _MOST_IDS:
        raise UnprocessableEntity(
            "The search takes one id, or debtor/creditor, or debtor/sender/transfer, and no more."
        )
    try:
        return [read_id(word) for word in words]
    except ValueError as error:
        raise UnprocessableEntity(
            f"Each part of what you search {error}.  Take one id, or debtor/creditor, or"
            " debtor/sender/transfer."
        ) from None


def _find(ids: list[int]) -> list[Hit]:
    if len(ids) == 1:
        return _anything(ids[0])
    hit = _account(ids[0], ids[1])
    # The pages themselves say what does not exist.
    return [hit] if len(ids) < _MOST_IDS else [_transfer(ids[0], ids[1], ids[2])]


def _anything(number: int) -> list[Hit]:
    """A debtor, accounts and transfers with this id, and what a coordinator has asked for by it."""
    with admin_context().reading() as connection:
        debtor = find_debtor(connection, number)
        accounts = [_account(debtor_id, number) for debtor_id in debtors_with(connection, number)]
        senders = senders_of(connection, number) if number > 0 else []
        requested = transfers_of_request(connection, number)
        refused = refusals_of_request(connection, number)
    debtors = [] if debtor is None else [_debtor(number)]
    transfers = [(*sender, number) for sender in senders]
    # A coordinator may count as the server does, and then the same transfer is found both ways.
    transfers += [found for found in requested if found not in transfers]
    return [*debtors, *accounts, *(_transfer(*found) for found in transfers), *map(_refusal, refused)]


def _debtor(debtor_id: int) -> Hit:
    return Hit("Debtor", debtor_id, url_for("console.debtor", debtor_id=debtor_id))


def _account(debtor_id: int, creditor_id: int) -> Hit:
    ids: dict[str, Any] = {"debtor_id": debtor_id, "creditor_id": creditor_id}
    return Hit("Account", address=url_for("console.account", **ids), **ids)


def _transfer(debtor_id: int, creditor_id: int, transfer_id: int) -> Hit:
    ids: dict[str, Any] = {"debtor_id": debtor_id, "creditor_id": creditor_id, "transfer_id": transfer_id}
    return Hit("Transfer", address=url_for("console.transfer", **ids), **ids)


def _refusal(refusal: Refusal) -> Hit:
    address = url_for("console.refusal", refused_at=refusal.refused_at, refusal_id=refusal.refusal_id)
    return Hit(
        f"Refused {refusal.kind}",
        refusal.debtor_id,
        address,
        refusal.creditor_id,
        refusal.transfer_id,
        refusal.refused_at,
        refusal.code,
    )
