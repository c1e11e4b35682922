"""Who accepts transfers is asked in three places, and all of them say the same (rule P4).

A recipient that a batch does not touch is looked up by SQL; one that it has locked is judged by the rules;
and other shards ask over HTTP.
"""

import pytest

from swpt_accounts.events import PreparedTransfer, RejectedTransfer
from swpt_accounts.runtime.settings import load
from swpt_accounts.shards.app import create_app
from swpt_accounts.storage.models import db
from swpt_accounts.wire.codes import RECIPIENT_IS_UNREACHABLE
from swpt_accounts.wire.numbers import u64
from tests.backstage.builders import ALICE, BOB, DEBTOR, ROOT, configure, request

# What is on the account, if there is one: (deleted, config_flags).
CASES = {
    "no account": (BOB, None, False),
    "an ordinary one": (BOB, (False, 0), True),
    "with flags that mean nothing": (BOB, (False, 0b1110), True),
    "scheduled for deletion": (BOB, (False, 1), False),
    "scheduled, among other flags": (BOB, (False, -1), False),
    "with all flags but that one": (BOB, (False, -2), True),
    "deleted": (BOB, (True, 1), False),
    "deleted, and configured anew": (BOB, (True, 0), False),
    "no root account": (ROOT, None, True),
    "a root account": (ROOT, (False, 0), True),
    "a root account that leaves": (ROOT, (False, 1), True),
    "a root account that has left": (ROOT, (True, 1), True),
}


@pytest.fixture
def ask(database):
    """Asks over HTTP as another shard does."""
    app = create_app(load({"POSTGRES_URL": database}))

    def is_reachable(creditor_id):
        path = f"/accounts/{u64(DEBTOR)}/{u64(creditor_id)}/reachable"
        return {204: True, 404: False}[app.test_client().get(path).status_code]

    yield is_reachable
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.mark.parametrize(("recipient", "state", "is_reachable"), CASES.values(), ids=CASES.keys())
def test_all_three_agree(stand, ask, recipient, state, is_reachable):
    """The batch that does not touch the recipient, the batch that has locked it, and the door for shards."""
    stand.apply(configure(ALICE))
    if state is not None:
        stand.apply(configure(recipient))
        stand.execute(
            "UPDATE account SET deleted = %s, config_flags = %s WHERE creditor_id = %s", *state, recipient
        )
    stand.apply(request(ALICE, recipient, coordinator_request_id=1))
    # As a sender it is locked, if it exists.
    back = request(recipient, ALICE, coordinator_type="agent" if recipient == ROOT else "direct")
    stand.apply(back, request(ALICE, recipient, coordinator_request_id=2))
    answers = {
        event.coordinator_request_id: event
        for event in stand.events()
        if isinstance(event, PreparedTransfer | RejectedTransfer) and event.creditor_id == ALICE
    }
    assert {number: isinstance(answer, PreparedTransfer) for number, answer in answers.items()} == {
        1: is_reachable,
        2: is_reachable,
    }
    codes = {event.status_code for event in answers.values() if isinstance(event, RejectedTransfer)}
    assert codes <= {RECIPIENT_IS_UNREACHABLE}
    assert ask(recipient) is is_reachable
