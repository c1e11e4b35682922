"""Lists as CSV, as long as they are: they stream, page by page, and can be broken off at any time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from flask import Response
from werkzeug.exceptions import ServiceUnavailable

from swpt_accounts.operators.admin.api.accounts import AccountsQuery
from swpt_accounts.operators.admin.api.arguments import check_range
from swpt_accounts.operators.admin.api.refusals import refusal_filter, shown_refusal
from swpt_accounts.operators.admin.api.transfers import WaitingQuery
from swpt_accounts.operators.admin.context import AdminContext, admin_context
from swpt_accounts.operators.admin.pages import PageQuery
from swpt_accounts.operators.inspection.accounts import list_accounts
from swpt_accounts.operators.inspection.audit import AuditRow, list_audit
from swpt_accounts.operators.inspection.keyset import Cut, Page
from swpt_accounts.operators.inspection.ledger import LedgerEntry, list_entries
from swpt_accounts.operators.inspection.refusals import Refusal, list_refusals
from swpt_accounts.operators.inspection.tabular import EXPORT_ITEMS, cells, csv_lines
from swpt_accounts.operators.inspection.transfers import list_prepared
from swpt_accounts.rules.accounts import Account
from swpt_accounts.rules.transfers import PreparedTransfer

from .account import AccountPageQuery
from .arguments import asked, console
from .refusals import RefusalsPageQuery

_Read = Callable[..., Page[Any]]
_RETRY_AFTER_SECONDS: Final = 30

_ACCOUNT_COLUMNS: Final = (
    *(name for name in Account.__struct_fields__ if name != "debtor_info"),
    *(f"debtor_info_{name}" for name in ("iri", "content_type", "sha256")),
)
_REFUSAL_COLUMNS: Final = (*Refusal.__struct_fields__, "missing_amount", "meaning", "explanation")


@console.get("/refusals.csv")
def refusals_csv() -> Response:
    """The refusals that the page of the same arguments shows, all of them."""
    which = refusal_filter(asked(RefusalsPageQuery))

    def shown(refusal: Refusal) -> Mapping[str, Any]:
        return shown_refusal(refusal) | cells(refusal)

    return _streamed("refusals", _REFUSAL_COLUMNS, partial(list_refusals, which=which), shown)


@console.get("/prepared-transfers.csv")
def prepared_csv() -> Response:
    """All prepared transfers, or those of a debtor, or the overdue ones."""
    args, now = asked(WaitingQuery), admin_context().now()
    overdue_at = now if args["overdue"] == "yes" else None
    read = partial(list_prepared, debtor_id=args["debtor_id"], overdue_at=overdue_at)
    return _streamed("prepared-transfers", PreparedTransfer.__struct_fields__, read)


@console.get("/debtors/<account_id:debtor_id>/accounts.csv")
def accounts_csv(debtor_id: int) -> Response:
    """The accounts of a debtor that the page of the same arguments shows, all of them."""
    args = asked(AccountsQuery)

    def read(connection: Any, cut: Cut, limit: int) -> Page[Any]:
        chosen = {name: args[name] for name in ("state", "first", "last")}
        return list_accounts(connection, debtor_id, cut, limit, **chosen)

    return _streamed(f"accounts-{debtor_id}", _ACCOUNT_COLUMNS, read)


@console.get("/debtors/<account_id:debtor_id>/accounts/<account_id:creditor_id>/ledger.csv")
def ledger_csv(debtor_id: int, creditor_id: int) -> Response:
    """The ledger of an account, all of it or of a span."""
    args = asked(AccountPageQuery)
    check_range(args)

    def read(connection: Any, cut: Cut, limit: int) -> Page[Any]:
        span = {name: args[name] for name in ("since", "until")}
        is_newest_first = args["order"] == "newest"
        return list_entries(
            connection, debtor_id, creditor_id, cut, limit, newest_first=is_newest_first, **span
        )

    return _streamed(f"ledger-{debtor_id}-{creditor_id}", LedgerEntry.__struct_fields__, read)


@console.get("/audit.csv")
def audit_csv() -> Response:
    """All orders of operators."""
    asked(PageQuery)
    return _streamed("audit", AuditRow.__struct_fields__, list_audit)


def _streamed(
    name: str, columns: Sequence[str], read: _Read, shown: Callable[[Any], Mapping[str, Any]] = cells
) -> Response:
    """A file that begins with what was found first, so that what goes wrong at once is told as usual.

    What goes wrong later breaks the connection, so that nobody takes a part for the whole.
    """
    context = admin_context()
    if not context.exports.acquire(blocking=False):
        raise ServiceUnavailable(
            "Other exports are running, and more of them would leave no room for pages; try again when they"
            " are done.",
            retry_after=_RETRY_AFTER_SECONDS,
        )
    try:
        first = _read_page(context, read, Cut())
    except BaseException:
        context.exports.release()
        raise
    pages = ([shown(item) for item in items] for items in _pages(context, read, first))
    response = Response(csv_lines(columns, pages), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response.call_on_close(context.exports.release)
    return response


def _pages(context: AdminContext, read: _Read, first: Page[Any]) -> Iterator[list[Any]]:
    page = first
    while True:
        yield page.items
        if page.next is None:
            return
        page = _read_page(context, read, page.next)


def _read_page(context: AdminContext, read: _Read, cut: Cut) -> Page[Any]:
    # Between two pages nothing is held: neither a transaction nor a connection.
    with context.reading() as connection:
        return read(connection, cut, EXPORT_ITEMS)
