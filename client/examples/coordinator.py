import sys
from pathlib import Path

from sqlalchemy.orm import Session

from swpt_client.agent import Agent
from swpt_client.embedded import EmbeddedServer, embedded_engine, embedded_transport
from swpt_client.news import TransferFinished

DEBTOR, SUBNET = 1, 0x0000010000000000  # the currency that we issue, and our creditors
ALICE, BOB = SUBNET + 1, SUBNET + 2


def coordinate(folder: Path) -> None:
    with EmbeddedServer(folder) as server:
        engine = embedded_engine(server, "coordinator")
        agent = Agent(engine, embedded_transport(server, "coordinator"), subnet=SUBNET, debtor_ids=[DEBTOR])

        @agent.on(TransferFinished)
        def finished(_session: Session, news: TransferFinished) -> None:  # where it becomes true
            print(f"{news.transfer.key}: {news.transfer.outcome}")

        with agent:
            agent.open_account(DEBTOR, 0, negligible_amount=1e30)
            for creditor in (ALICE, BOB):
                agent.open_account(DEBTOR, creditor)
            agent.wait_for_account(DEBTOR, 0, timeout=30)
            alice, bob = (agent.wait_for_account(DEBTOR, one, timeout=30).account_id for one in (ALICE, BOB))
            agent.issue("first money", debtor_id=DEBTOR, recipient=alice, amount=1000)
            agent.wait("first money", timeout=30)
            agent.transfer("rent", debtor_id=DEBTOR, sender=ALICE, recipient=bob, amount=300, note="June")
            agent.wait("rent", timeout=30)
            agent.wait_for_account(DEBTOR, ALICE, 30, until=lambda one: one.principal == 700)
            agent.wait_for_account(DEBTOR, BOB, 30, until=lambda one: one.principal == 300)
            for name, creditor in (("Alice", ALICE), ("Bob", BOB)):  # the ledgers have followed
                print(name, [(one.acquired_amount, one.principal) for one in agent.entries(DEBTOR, creditor)])
        engine.dispose()


coordinate(Path(sys.argv[1]))
