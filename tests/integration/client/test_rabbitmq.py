"""The client's agent and the server over RabbitMQ and PostgreSQL."""

from tests.backstage.waiting import wait_until
from tests.integration.client.conftest import ALICE, BOB, DEBTOR, open_accounts, principal


def test_two_agents_move_money(bank):
    """One issues and pays; a second process on the same store and queue does its part."""
    with bank.agent() as agent, bank.agent() as other:
        ids = open_accounts(agent, ALICE, BOB)
        agent.issue("issue", debtor_id=DEBTOR, recipient=ids[ALICE], amount=1000)
        assert agent.wait("issue", 20).outcome == "OK"
        for number in range(20):
            payer = (agent, other)[number % 2]
            payer.transfer(f"{number}", debtor_id=DEBTOR, sender=ALICE, recipient=ids[BOB], amount=10)
        assert {agent.wait(f"{number}", 20).outcome for number in range(20)} == {"OK"}
        other.reserve(
            "rest", debtor_id=DEBTOR, sender=ALICE, recipient=ids[BOB], min_amount=1, max_amount=10**6
        )
        locked = other.wait("rest", 20).prepared.locked_amount
        assert locked == 800
        other.commit("rest", locked)
        assert agent.wait("rest", 20).outcome == "OK"
        wait_until(lambda: (principal(agent, ALICE), principal(agent, BOB)) == (0, 1000), "both ledgers")
        bank.server.wait_until_done()
        assert bank.server.rows("SELECT count(*) FROM prepared_transfer") == [(0,)]
