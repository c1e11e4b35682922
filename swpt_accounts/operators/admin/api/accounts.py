"""Accounts: list, one, its prepared transfers, its ledger, and its principal in the past."""

from typing import Any, Final

from marshmallow import Schema, fields
from werkzeug.exceptions import UnprocessableEntity

from swpt_accounts.operators.admin.context import admin_context
from swpt_accounts.operators.admin.fields import Choice, Int64, Moment, UnsignedId, WrittenId, WrittenInteger
from swpt_accounts.operators.admin.pages import PageQuery, answer_page, page_of
from swpt_accounts.operators.inspection import accounts as inspection
from swpt_accounts.operators.inspection.accounts import ShownAccount, show_account
from swpt_accounts.operators.inspection.keyset import Page
from swpt_accounts.operators.inspection.ledger import (
    PastPrincipal,
    list_entries,
    principal_at,
    principals_over,
)
from swpt_accounts.operators.inspection.transfers import list_prepared
from swpt_accounts.rules.accounts import Account
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.wire.numbers import MAX_INT64, MIN_INT64

from .arguments import AdminBlueprint, RangeQuery, check_range, not_found
from .debtors import DebtorInfoSchema
from .transfers import LedgerEntrySchema, PreparedTransferSchema, shown_prepared

accounts = AdminBlueprint("accounts", __name__, description="Accounts, and their ledgers")

_MOST_POINTS: Final = 400
_ONE: Final = "/debtors/<account_id:debtor_id>/accounts/<account_id:creditor_id>"


class AccountSchema(Schema):
    """An account as it is stored: `interest` is that at `last_change_ts`.  What never came is null."""

    debtor_id = Int64()
    debtor_id_unsigned = UnsignedId(attribute="debtor_id")
    creditor_id = Int64()
    creditor_id_unsigned = UnsignedId(attribute="creditor_id")
    created_at = Moment()
    principal = Int64()
    interest = fields.Float()
    interest_rate = fields.Float(metadata={"description": "Percent per year."})
    previous_interest_rate = fields.Float()
    last_interest_rate_change_ts = Moment(t0_is_none=True, allow_none=True)
    last_capitalization_ts = Moment(t0_is_none=True, allow_none=True)
    last_config_ts = Moment(t0_is_none=True, allow_none=True)
    last_config_seqnum = fields.Integer()
    last_config_applied_at = Moment(t0_is_none=True, allow_none=True)
    negligible_amount = fields.Float()
    config_flags = fields.Integer()
    is_scheduled_for_deletion = fields.Boolean()
    is_deleted = fields.Boolean()
    is_overflown = fields.Boolean()
    debtor_info = fields.Nested(DebtorInfoSchema)
    last_deletion_ts = Moment(t0_is_none=True, allow_none=True)
    announced_settings = fields.Integer()
    last_change_seqnum = fields.Integer()
    last_change_ts = Moment()
    last_transfer_number = Int64()
    last_transfer_committed_at = Moment(t0_is_none=True, allow_none=True)
    last_transfer_id = Int64()
    total_locked_amount = Int64()
    pending_transfers_count = fields.Integer()
    last_update_ts = Moment()
    last_delayed_update_ts = Moment(t0_is_none=True, allow_none=True)
    update_pending_since = Moment(t0_is_none=True, allow_none=True)


class ShownAccountSchema(Schema):
    """An account with its balance at a moment, interest included, and what of it can be spent."""

    account = fields.Nested(AccountSchema)
    at = Moment()
    balance = Int64()
    available = Int64()
    config_data = fields.String()


class AccountsQuery(PageQuery):
    """Which accounts of a debtor."""

    first = WrittenId(
        load_default=MIN_INT64, metadata={"description": "The least creditor id (signed order)."}
    )
    last = WrittenId(load_default=MAX_INT64, metadata={"description": "The greatest creditor id."})
    state = Choice(*inspection.STATES, load_default="any")


class PreparedQuery(PageQuery):
    """Which prepared transfers."""

    overdue = Choice("no", "yes", load_default="no")


class LedgerQuery(PageQuery, RangeQuery):
    """Which part of a ledger, and which end of it first."""

    order = Choice("newest", "oldest", load_default="newest")


class PastQuery(Schema):
    """When."""

    at = Moment(required=True)


class PlotQuery(RangeQuery):
    """From when to when, and at how many moments."""

    since = Moment(required=True)
    until = Moment(required=True)
    points = WrittenInteger(least=2, most=_MOST_POINTS, load_default=100)


class PastPrincipalSchema(Schema):
    """The principal at a moment; null if the account did not exist, or nobody knows any more."""

    at = Moment()
    principal = Int64(allow_none=True)
    applied_at = Moment(allow_none=True, metadata={"description": "When it was last changed before."})


class PlotSchema(Schema):
    """Principals at equal distances."""

    points = fields.List(fields.Nested(PastPrincipalSchema))


@accounts.get("/debtors/<account_id:debtor_id>/accounts")
@accounts.arguments(AccountsQuery, location="query")
@accounts.response(200, page_of(AccountSchema))
def list_(args: dict[str, Any], debtor_id: int) -> dict[str, Any]:
    """List the accounts of a debtor, by creditor id (signed).

    A page looks at 10,000 accounts at most: with a `state` it may be short before the end of the list.
    """
    return accounts_page(args, debtor_id)


@accounts.get(_ONE)
@accounts.response(200, ShownAccountSchema)
def show(debtor_id: int, creditor_id: int) -> ShownAccount:
    """Show an account, with its balance now and what of it can be spent."""
    return shown(debtor_id, creditor_id)


@accounts.get(_ONE + "/prepared-transfers")
@accounts.arguments(PreparedQuery, location="query")
@accounts.response(200, page_of(PreparedTransferSchema))
def list_prepared_transfers(args: dict[str, Any], debtor_id: int, creditor_id: int) -> dict[str, Any]:
    """List the prepared transfers of a sender, oldest first."""
    return prepared_page_of(args, debtor_id, creditor_id)


@accounts.get(_ONE + "/ledger")
@accounts.arguments(LedgerQuery, location="query")
@accounts.response(200, page_of(LedgerEntrySchema))
def list_ledger(args: dict[str, Any], debtor_id: int, creditor_id: int) -> dict[str, Any]:
    """List what was applied to an account, from the journal; also of accounts that are gone."""
    return ledger_page(args, debtor_id, creditor_id)


@accounts.get(_ONE + "/principal")
@accounts.arguments(PastQuery, location="query")
@accounts.response(200, PastPrincipalSchema)
def show_past(args: dict[str, Any], debtor_id: int, creditor_id: int) -> PastPrincipal:
    """Show the principal at a past moment, by moments of application."""
    with admin_context().reading() as connection:
        return principal_at(connection, debtor_id, creditor_id, args["at"])


@accounts.get(_ONE + "/principals")
@accounts.arguments(PlotQuery, location="query")
@accounts.response(200, PlotSchema)
def plot(args: dict[str, Any], debtor_id: int, creditor_id: int) -> dict[str, Any]:
    """Show the principal at equal distances between two moments."""
    check_range(args)
    with admin_context().reading() as connection:
        points = principals_over(
            connection, debtor_id, creditor_id, args["since"], args["until"], args["points"]
        )
    return {"points": points}


# -- for the console as well -------------------------------------------------------------------


def shown(debtor_id: int, creditor_id: int) -> ShownAccount:
    """An account now; raises NotFound."""
    with admin_context().reading() as connection:
        try:
            return show_account(connection, debtor_id, creditor_id, admin_context().now())
        except OperatorError:
            not_found(f"account {debtor_id}/{creditor_id}")


def accounts_page(args: dict[str, Any], debtor_id: int) -> dict[str, Any]:
    """A page of accounts that `AccountsQuery` asks for."""
    if args["first"] > args["last"]:
        raise UnprocessableEntity("first: must not be greater than last, in signed order.")

    def read(connection: Any, cut: Any, limit: int) -> Page[Account]:
        bounds = {name: args[name] for name in ("first", "last", "state")}
        return inspection.list_accounts(connection, debtor_id, cut, limit, **bounds)

    return answer_page(args, read)


def prepared_page_of(args: dict[str, Any], debtor_id: int, creditor_id: int) -> dict[str, Any]:
    """A page of prepared transfers of one sender that `PreparedQuery` asks for."""
    now = admin_context().now()

    def read(connection: Any, cut: Any, limit: int) -> Page[Any]:
        overdue_at = now if args["overdue"] == "yes" else None
        page = list_prepared(
            connection, cut, limit, debtor_id=debtor_id, creditor_id=creditor_id, overdue_at=overdue_at
        )
        return page.map(lambda transfer: shown_prepared(transfer, now))

    return answer_page(args, read)


def ledger_page(args: dict[str, Any], debtor_id: int, creditor_id: int) -> dict[str, Any]:
    """A page of the ledger that `LedgerQuery` asks for."""
    check_range(args)

    def read(connection: Any, cut: Any, limit: int) -> Page[Any]:
        span = {"since": args["since"], "until": args["until"]}
        is_newest_first = args["order"] == "newest"
        return list_entries(
            connection, debtor_id, creditor_id, cut, limit, newest_first=is_newest_first, **span
        )

    return answer_page(args, read)
