"""Configurations in each of their states, for the tables."""

from typing import Any

from swpt_client.inputs import Configure
from swpt_client.messages import AccountUpdate, ConfigureAccount
from swpt_client.records import Account, AccountKey

from .bench import ALICE, DEBTOR, Client
from .server_messages import account_purge, account_update, rejected_config

KEY = AccountKey(DEBTOR, ALICE)
OPEN = Configure(key=KEY, negligible_amount=0.5)
CLOSE = Configure(key=KEY, negligible_amount=1e30, config_flags=1)

STATES = ["sent", "effectual", "rejected", "closing", "closed"]


def make(state: str) -> tuple[Client, ConfigureAccount]:
    """A client whose account is in a state, and the latest configuration that it sent."""
    client = Client()
    client.feed(CLOSE if state.startswith("clos") else OPEN)
    client.confirm()
    [sent] = client.flush()
    if state in ("effectual", "closing", "closed"):
        client.feed(account_update(sent))
    if state == "rejected":
        client.feed(rejected_config(sent))
    if state == "closed":
        client.feed(account_purge())
    client.flush()
    client.hear()
    assert record(client).configuration.state == state
    return client, sent


def record(client: Client) -> Account:
    """Alice's."""
    return client.accounts[KEY]


def later(sent: ConfigureAccount, number: int = 2, **members: Any) -> AccountUpdate:
    """A later state of the account than all before."""
    return account_update(sent, last_change_seqnum=number, **members)
