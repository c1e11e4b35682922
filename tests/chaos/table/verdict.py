"""What must be true after a scenario: by the customers' books, by the server's, and by both of them."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from swpt_client.views import Account
from tests.backstage.audit import find_violations
from tests.backstage.waiting import wait_until

from .customers import CUSTOMERS, DEBTOR
from .scene import Scene

PATIENCE_SECONDS: Final = 240.0

_LEFT: Final = """
SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM account_update_due),
       (SELECT count(*) FROM prepared_transfer)
"""
_JOURNAL: Final = """
SELECT number, amount, principal FROM (
    SELECT sender_transfer_number AS number, -amount AS amount, sender_principal AS principal
    FROM journal WHERE debtor_id = %s AND sender_creditor_id = %s
    UNION ALL SELECT recipient_transfer_number, amount, recipient_principal
    FROM journal WHERE debtor_id = %s AND recipient_creditor_id = %s) AS entries
ORDER BY number
"""


def await_end(scene: Scene) -> None:
    """Wait until all payments have ended, ledgers follow, and nothing waits or is locked."""
    customers, server = scene.customers, scene.server
    customers.rest()
    wait_until(lambda: len(customers.told()) == len(customers.begun), "all outcomes", PATIENCE_SECONDS)
    wait_until(lambda: server.rows(_LEFT) == [(0, 0, 0)] or scene.crew.ended(), "no rest", PATIENCE_SECONDS)
    wait_until(lambda: server.count_messages() == 0, "an empty queue", PATIENCE_SECONDS)
    expected = customers.expected()
    for one in CUSTOMERS:
        account = customers.agent.wait_for_account(
            DEBTOR, one, PATIENCE_SECONDS, until=partial(_has, expected[one])
        )
        assert account.principal == expected[one], f"the ledger of {one}: {account.principal}"


def _has(principal: int, account: Account) -> bool:
    return account.principal == principal


def what_is_wrong(scene: Scene) -> list[str]:
    """Everything that is not as it should be, after the end; stops agent and server.

    What a worker held and gives back is in the queue then.
    """
    wrong = [*_wrong_outcomes(scene), *_wrong_ledgers(scene)]
    scene.customers.close()
    wrong += scene.crew.stop()
    wrong += scene.crew.surprises()
    if left := scene.server.count_messages():
        wrong.append(f"{left} messages are in the queue")
    if (rows := scene.server.rows(_LEFT)) != [(0, 0, 0)]:
        wrong.append(f"outbox, announcements and locks: {rows}")
    wrong += [f"{name}: {row}" for name, row in find_violations(scene.server.postgres_url)]
    code, output, _ = scene.server.run("verify")
    if code != 0:
        wrong.append(output.strip())
    return wrong


def _wrong_outcomes(scene: Scene) -> Iterator[str]:
    customers = scene.customers
    for key, outcome in customers.outcomes().items():
        if not outcome:
            yield f"{key} has no outcome"
    told = customers.told()
    for key in customers.begun.keys() | told.keys():
        if told[key] != 1:
            yield f"{key} was told {told[key]} times"
    for letter in customers.letters():
        yield f"the client could not process {letter}"


def _wrong_ledgers(scene: Scene) -> Iterator[str]:
    expected = scene.customers.expected()
    principals = dict(scene.server.rows("SELECT creditor_id, principal FROM account"))
    if principals != expected:
        yield f"principals are {principals}, by the outcomes {expected}"
    if sum(principals.values()) != 0:
        yield f"principals add up to {sum(principals.values())}"
    for one in CUSTOMERS:
        ledger = scene.customers.ledger(one)
        if [number for number, _, _ in ledger] != list(range(1, len(ledger) + 1)):
            yield f"the chain of {one} has a gap"
        if ledger != scene.server.rows(_JOURNAL, DEBTOR, one, DEBTOR, one):
            yield f"the ledger of {one} is not the journal"
