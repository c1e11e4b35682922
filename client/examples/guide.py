"""The programs of the guide: what an issuer, a creditors agent and a coordinator write."""

import json
from collections.abc import Iterator, Sequence

from sqlalchemy import Column, Integer, MetaData, String, Table
from sqlalchemy.orm import Session

from swpt_client.agent import Agent
from swpt_client.errors import AlreadyDecided
from swpt_client.formulas import amount_to_lock
from swpt_client.moments import T_FAR
from swpt_client.news import EntriesAppended, Silent, Surprise, TransferFinished, TransferPrepared
from swpt_client.payments import Payment
from swpt_client.records import Bundle, ConfigurationState, Entry, Leg, Request, Terms, Transfer

HOUR = 3600
WORST_RATE = -50.0

# --- issuer ---


def open_currency(agent: Agent, debtor_id: int, rate_percent: float, info_iri: str) -> None:
    """Make a currency, or change its settings: they are the configuration of its root account."""
    settings = {
        "type": "RootConfigData",
        "rate": rate_percent,
        "info": {"type": "DebtorInfo", "iri": info_iri},
    }
    agent.open_account(debtor_id, 0, negligible_amount=1e30, config_data=json.dumps(settings))
    root = agent.wait_for_account(debtor_id, 0, timeout=30)
    if root.state is ConfigurationState.REJECTED:
        raise ValueError(f"the server refuses these settings: {root.record.configuration.rejection_code}")


def pay_out(agent: Agent, order: str, debtor_id: int, account_id: str, amount: int) -> str:
    """Issue money; the same order again issues nothing new.  Empty if the outcome is still to come."""
    agent.issue(f"payout {order}", debtor_id=debtor_id, recipient=account_id, amount=amount)
    transfer = agent.wait(f"payout {order}", timeout=5)
    assert isinstance(transfer, Transfer)
    return transfer.outcome


def issued(agent: Agent, debtor_id: int) -> int:
    """What was issued and not sent back, as the server has told: it may take a minute until it does."""
    root = agent.wait_for_account(debtor_id, 0, timeout=0)
    return 0 if root.record.data is None else -root.record.data.principal


# --- creditors agent ---

tables = MetaData()
orders = Table("orders", tables, Column("number", Integer, primary_key=True), Column("outcome", String(50)))


def order(agent: Agent, number: int, debtor_id: int, sender: int, recipient: str, amount: int) -> None:
    """The order and its payment are stored together, or neither is."""
    with agent.begin() as session:
        session.execute(orders.insert().values(number=number, outcome=""))
        agent.transfer(
            f"order {number}",
            debtor_id=debtor_id,
            sender=sender,
            recipient=recipient,
            amount=amount,
            note=f"order {number}",
            session=session,
        )


def pay_wages(
    agent: Agent, month: str, debtor_id: int, employer: int, wages: dict[str, int]
) -> list[Transfer]:
    """Every wage once, by the recipients' identifiers; called again, it pays nobody a second time."""
    payments = [
        Payment(
            key=f"wage {month} {account_id}",
            debtor_id=debtor_id,
            sender=employer,
            recipient=account_id,
            amount=amount,
        )
        for account_id, amount in wages.items()
    ]
    return agent.transfer_many(payments)


def follow_orders(agent: Agent, announced: list[tuple[int, int]]) -> None:
    """Before the agent is started: what is told here is stored in the transaction in which it came true."""

    @agent.on(TransferFinished)
    def ended(session: Session, news: TransferFinished) -> None:
        kind, _, number = news.transfer.key.partition(" ")
        if kind == "order":
            chosen = orders.update().where(orders.c.number == int(number))
            session.execute(chosen.values(outcome=news.transfer.outcome))

    @agent.on(EntriesAppended)
    def arrived(_session: Session, news: EntriesAppended) -> None:
        announced.extend((news.ledger.account.creditor_id, one.acquired_amount) for one in news.entries)


def statement(agent: Agent, debtor_id: int, creditor_id: int) -> Iterator[Entry]:
    """All entries of a ledger, the newest first, page by page."""
    last: Entry | None = None
    while page := agent.entries(debtor_id, creditor_id, before=last, limit=100):
        yield from page
        last = page[-1]


# --- coordinator ---


def decide_by_price(agent: Agent, prices: dict[str, int]) -> None:
    """Before the agent is started: what is locked is committed up to the price, or dismissed."""

    @agent.on(TransferPrepared)
    def locked(session: Session, news: TransferPrepared) -> None:
        transfer = news.transfer
        price = prices.get(transfer.key)
        if transfer.prepared is None or price is None or transfer.prepared.locked_amount < price:
            agent.dismiss(transfer.key, session=session)
        else:
            agent.commit(transfer.key, price, "thank you", session=session)


def ask_for(agent: Agent, key: str, debtor_id: int, sender: int, recipient: str, most: int) -> None:
    """Lock what is there, up to `most`; undecided after ten minutes, it is dismissed by itself."""
    agent.reserve(
        key,
        debtor_id=debtor_id,
        sender=sender,
        recipient=recipient,
        min_amount=0,
        max_amount=most,
        terms=Terms(decide_within=600, give_up_after=86400),
    )


def cancel(agent: Agent, key: str) -> bool:
    """Whether it could still be prevented."""
    try:
        agent.dismiss(key)
    except AlreadyDecided:
        return False
    return True


# --- bundle ---


def leg(debtor_id: int, sender: int, recipient: str, amount: int) -> Leg:
    """Lock so much that the amount is certain for two hours, whatever the rate becomes."""
    locked = amount_to_lock(amount, WORST_RATE, 2 * HOUR)
    assert locked is not None
    request = Request(
        debtor_id=debtor_id,
        creditor_id=sender,
        recipient=recipient,
        min_locked_amount=locked,
        max_locked_amount=locked,
        coordinator_id=sender,
        terms=Terms(final_interest_rate_ts=T_FAR),
    )
    return Leg(request=request, committed_amount=amount)


def exchange(agent: Agent, key: str, legs: Sequence[Leg]) -> str:
    """All of the legs, or none: `done`, `dismissed`, … or how far it has come within the minute."""
    agent.bundle(key, legs, decide_within=HOUR)
    bundle = agent.wait(key, timeout=60)
    assert isinstance(bundle, Bundle)
    return bundle.state.value


# --- after a restore ---


def come_back(agent: Agent) -> int:
    """After a backup was put back, and before the start: nothing that was under way is sent again."""
    return agent.after_restore().parked_transfers


def look_after(agent: Agent) -> list[str]:
    """What was parked goes on from its evidence; what has none is for a person who knows."""
    left = []
    for one in list(agent.persons.parked()):
        if isinstance(one, Transfer) and one.evidence:
            agent.persons.resume(one.key, "transfer")
        else:
            left.append(one.key)
    agent.persons.close_tails()
    return left


def raise_alarms(agent: Agent, alarms: list[str]) -> None:
    """Before the agent is started: what a person should hear of."""

    @agent.on(Surprise, Silent)
    def strange(_session: Session, news: Surprise | Silent) -> None:
        alarms.append(f"{type(news).__name__} {news.key}")
