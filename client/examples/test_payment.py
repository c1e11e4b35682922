from swpt_client.testing.bench import DEBTOR_ID, SUBNET, Bench

pytest_plugins = ["swpt_client.testing.fixtures"]  # smp_bench, and smp_bad_bench with a bad network
ALICE = SUBNET + 1


def test_a_payment(smp_bench: Bench) -> None:
    agent = smp_bench.agent
    agent.open_account(DEBTOR_ID, 0, negligible_amount=1e30)
    agent.open_account(DEBTOR_ID, ALICE)
    smp_bench.settle(lambda: agent.wait_for_account(DEBTOR_ID, ALICE, timeout=0).is_effectual)
    recipient = agent.wait_for_account(DEBTOR_ID, ALICE, timeout=0).account_id
    smp_bench.network.cut()
    agent.issue("my key", debtor_id=DEBTOR_ID, recipient=recipient, amount=100)
    smp_bench.network.mend()
    smp_bench.settle(lambda: agent.wait_for_account(DEBTOR_ID, ALICE, timeout=0).principal == 100)
