"""Running transfers in each of their states, for the tables."""

from typing import Any

from swpt_client.inputs import Begin, Commit, Dismiss, Park
from swpt_client.records import Decision, Request, Transfer

from .bench import ALICE, BOB, DEBTOR, Client
from .server_messages import finalized_transfer, prepared_transfer, rejected_transfer

REQUEST = Request(
    debtor_id=DEBTOR,
    creditor_id=ALICE,
    recipient=str(BOB),
    min_locked_amount=100,
    max_locked_amount=200,
    coordinator_id=ALICE,
)
PAY = Decision(committed_amount=150, transfer_note="for you")
OTHER = Decision(committed_amount=151, transfer_note="for you")

# All columns.  Where a column has kinds, each has a name of its own.
STATES = [
    "none",
    "initiated",
    "initiated, to commit",
    "prepared",
    "settled, committed",
    "settled, dismissed",
    "finished, rejected",
    "finished, committed",
    "finished, dismissed",
    "cancelled",
    "parked",
]
LIVE = STATES[1:]


def begin(**changes: Any) -> Begin:
    """The call that begins it."""
    values: dict[str, Any] = {"key": "t", "request": REQUEST}
    return Begin(**(values | changes))


def make(state: str, request: Request = REQUEST) -> Client:
    """A client whose transfer `t` is in a state, with nothing in the outbox and no news."""
    client = Client()
    if state == "none":
        return client
    wanted = PAY if state == "initiated, to commit" else None
    client.feed(begin(request=request, decision=wanted))
    client.confirm()
    transfer = client.transfers["t"]
    if state.startswith(("prepared", "settled", "finished, committed", "finished, dismissed", "parked")):
        client.feed(prepared_transfer(transfer))
    if state.endswith(", committed"):
        client.feed(Commit(key="t", decision=PAY))
    elif state.endswith(", dismissed"):
        client.feed(Dismiss(key="t"))
    elif state == "finished, rejected":
        client.feed(rejected_transfer(transfer))
    elif state == "cancelled":
        client.feed(Dismiss(key="t"))
    elif state == "parked":
        client.feed(Park(kind="transfer", key="t"))
    client.confirm()
    if state in ("finished, committed", "finished, dismissed"):
        client.feed(finalized_transfer(client.transfers["t"]))
    client.flush()
    client.hear()
    assert client.transfers["t"].state.value == state.split(",", maxsplit=1)[0]
    return client


def asked(client: Client) -> Transfer:
    """The transfer as the server knows it, also if this client does not."""
    if "t" in client.transfers:
        return client.transfers["t"]
    other = Client()
    other.feed(begin())
    return other.transfers["t"]


def has_changed(client: Client, before: Transfer | None) -> bool:
    """Whether the record is another one."""
    return client.transfers.get("t") != before
