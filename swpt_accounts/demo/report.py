"""Tables of what was seen: balances, messages, outcomes."""

from collections import Counter
from collections.abc import Callable

from swpt_accounts.runtime.clock import utcnow
from swpt_accounts.wire.moments import elapsed_seconds, parse_timestamp
from swpt_accounts.wire.numbers import ROOT_CREDITOR_ID, SECONDS_PER_YEAR
from swpt_accounts.wire.routing import Realm

from .books import Books
from .client import Client
from .ledger import Message
from .proof import Evidence
from .screen import Screen
from .transfers import COMMITTED


def show_report(screen: Screen, client: Client, evidence: Evidence) -> None:
    """Balances, messages by type, and outcomes of the transfers."""
    _show_balances(screen, evidence)
    _show_messages(screen, client)
    _show_outcomes(screen, client, evidence)


def balance_now(state: Message) -> float:
    """The balance of an ordinary account at this moment, from its latest state.

    See protocol.rst#account-data-records.
    """
    balance: float = state["principal"] + state["interest"]
    years = elapsed_seconds(parse_timestamp(state["last_change_ts"]), utcnow()) / SECONDS_PER_YEAR
    return balance if balance <= 0 else balance * (1 + state["interest_rate"] / 100) ** years


def _show_balances(screen: Screen, evidence: Evidence) -> None:
    rows = []
    for creditor_id, account in sorted(evidence.accounts.items()):
        state = account.state or {}
        is_root = creditor_id == ROOT_CREDITOR_ID
        entries = account.ledger.entries
        sent = sum(entry.amount < 0 for entry in entries)
        rows.append(
            (
                f"{state.get('account_id', '?')}{' (root)' if is_root else ''}",
                f"{state['principal']:,}" if state else "?",
                "" if is_root else f"{state['interest']:.6f}" if state else "?",
                "" if is_root or not state else f"{balance_now(state):,.6f}",
                "" if is_root else sent,
                "" if is_root else len(entries) - sent,
            )
        )
    total = sum(account.state["principal"] for account in evidence.accounts.values() if account.state)
    rows.append(("sum", f"{total:,}", "", "", "", ""))
    columns = ("account", "principal", "interest", "balance now", "sent", "received")
    screen.table("Balances", columns, rows)


def _show_messages(screen: Screen, client: Client) -> None:
    rows: list[tuple[str, str, int]] = [
        ("from the client", name, n) for name, n in sorted(client.sent.items())
    ]
    rows += [("from the server", name, n) for name, n in sorted(client.received.items())]
    screen.table("Messages", ("", "type", "number"), rows, text_columns=2)
    outgoing, incoming = client.outgoing, client.incoming
    screen.say(
        f"On the way to the server {outgoing.late} of them were late, {outgoing.twice} came twice and "
        f"{outgoing.lost} were lost;\non the way back {incoming.late} were late and "
        f"{incoming.twice} came twice. So {client.repeated} messages were repeated,\n"
        f"and {client.coordinator.surplus} transfers were prepared that nobody needed, and dismissed.\n"
    )


def _show_outcomes(screen: Screen, client: Client, evidence: Evidence) -> None:
    outcomes: Counter[tuple[str, str]] = Counter()
    for transfer in evidence.transfers:
        shown = "committed" if transfer.outcome == COMMITTED else transfer.outcome or "no answer"
        outcomes[transfer.wish.value, shown] += 1
    rows = [(wish, outcome, number) for (wish, outcome), number in sorted(outcomes.items())]
    screen.table("Transfers", ("wanted", "outcome", "number"), rows, text_columns=2)


def show_crossings(screen: Screen, evidence: Evidence, realm_of: Callable[[int, int], Realm]) -> None:
    """How many transfers have left their shard."""
    committed = [one for one in evidence.transfers if one.outcome == COMMITTED]
    crossing = sum(
        realm_of(one.debtor_id, one.creditor_id) != realm_of(one.debtor_id, one.recipient_id)
        for one in committed
    )
    screen.say(f"{crossing:,} of {len(committed):,} committed transfers went from one shard to another.\n")


def show_shards(screen: Screen, books: Books) -> None:
    """What each shard has, and what it has sent to the others and got from them."""
    rows = [
        (
            one.binding_key,
            one.accounts,
            f"{one.sums.principals:,}",
            f"{one.sums.emitted:,}",
            f"{one.sums.applied:,}",
        )
        for one in books.shards
    ]
    principals, emitted, applied = (
        f"{sum(getattr(one.sums, name) for one in books.shards):,}"
        for name in ("principals", "emitted", "applied")
    )
    rows.append(("sum", sum(one.accounts for one in books.shards), principals, emitted, applied))
    columns = ("shard", "accounts", "principals", "sent to others", "come from others")
    screen.table("Shards", columns, rows)
