"""The table of account data, cell by cell."""

import pytest
from msgspec.structs import replace

from swpt_client.account import balance
from swpt_client.inputs import Configure
from swpt_client.limits import SECONDS_PER_YEAR
from swpt_client.messages import ConfigureAccount
from swpt_client.moments import DAY, HOUR, SECOND
from swpt_client.news import ConfigEffectual, Surprise
from swpt_client.policy import UnknownAccounts
from swpt_client.records import AccountKey

from .bench import ALICE, DEBTOR, POLICY, START, TODAY, Client
from .server_messages import (
    TOMORROW,
    YESTERDAY,
    account_purge,
    account_transfer,
    account_update,
    rejected_config,
)

KEY = AccountKey(DEBTOR, ALICE)


def opened() -> tuple[Client, ConfigureAccount]:
    """Alice's account is wanted, and nothing has been heard yet."""
    client = Client()
    client.feed(Configure(key=KEY))
    client.confirm()
    [sent] = client.flush()
    return client, sent


def test_the_first_update_is_taken_as_a_whole():
    """All that the server says."""
    client, sent = opened()
    message = account_update(
        sent,
        principal=1000,
        interest=1.5,
        interest_rate=5.0,
        last_interest_rate_change_ts=START - DAY,
        debtor_info_iri="https://example.com/",
        debtor_info_content_type="text/html",
        debtor_info_sha256="AB" * 32,
        demurrage_rate=-25.0,
        commit_period=30,
        transfer_note_max_bytes=80,
    )
    client.feed(message)
    data = client.accounts[KEY].data
    assert data is not None
    for field in type(data).__struct_fields__:
        if field != "last_heartbeat_ts":
            assert getattr(data, field) == getattr(message, field), field
    assert data.last_heartbeat_ts == message.ts


@pytest.mark.parametrize(("age", "is_taken"), [(600 * SECOND, True), (600 * SECOND + 1, False)])
def test_an_expired_update_is_ignored(age, is_taken):
    """ts + ttl is over."""
    client, sent = opened()
    client.now += age
    client.feed(account_update(sent, ttl=600))
    assert (client.accounts[KEY].data is not None) == is_taken
    assert client.accounts[KEY].configuration.state == ("effectual" if is_taken else "sent")


@pytest.mark.parametrize(
    ("members", "is_taken"),
    [
        # later: by date, then by moment, then by number
        ({"creation_date": TOMORROW, "last_change_ts": START - 5, "last_change_seqnum": 0}, True),
        ({"last_change_ts": START + 1, "last_change_seqnum": 0}, True),
        ({"last_change_seqnum": 2}, True),
        ({"last_change_seqnum": -(2**31) + 1}, False),
        # the same, or older
        ({}, False),
        ({"last_change_seqnum": 0}, False),
        ({"last_change_ts": START - 1, "last_change_seqnum": 9}, False),
        ({"creation_date": YESTERDAY, "last_change_ts": START + 9, "last_change_seqnum": 9}, False),
    ],
)
def test_what_is_later_replaces_what_is_known(members, is_taken):
    """By the protocol's order, and by nothing else."""
    client, sent = opened()
    client.feed(account_update(sent, principal=1))
    client.feed(account_update(sent, principal=2, **members))
    data = client.accounts[KEY].data
    assert data is not None
    assert data.principal == (2 if is_taken else 1)


def test_numbers_wrap():
    """2147483647 is followed by -2147483648."""
    client, sent = opened()
    client.feed(account_update(sent, principal=1, last_change_seqnum=2**31 - 1))
    client.feed(account_update(sent, principal=2, last_change_seqnum=-(2**31)))
    data = client.accounts[KEY].data
    assert data is not None
    assert data.principal == 2


@pytest.mark.parametrize(
    ("ts", "heartbeat"),
    [
        (START + HOUR, START + HOUR),
        # a server whose clock is wrong
        (START + 3 * HOUR, START + 2 * HOUR),
        # an older copy
        (START - HOUR, START),
    ],
)
def test_the_heartbeat_moves(ts, heartbeat):
    """Also by what is known already, and never beyond now."""
    client, sent = opened()
    client.feed(account_update(sent))
    client.now += 2 * HOUR
    before = client.accounts[KEY]
    client.feed(account_update(sent, ts=ts, principal=77))
    after = client.accounts[KEY]
    assert after.data is not None
    assert before.data is not None
    assert after.data == replace(before.data, last_heartbeat_ts=heartbeat)
    assert after.configuration == before.configuration


def test_the_heartbeat_of_a_later_state_moves_as_well():
    """It never steps back, and never goes beyond now."""
    client, sent = opened()
    client.now += HOUR
    client.feed(account_update(sent, ts=START + DAY))
    client.feed(account_update(sent, last_change_seqnum=2, ts=START))
    data = client.accounts[KEY].data
    assert data is not None
    assert data.last_heartbeat_ts == START + HOUR


def test_an_update_of_a_former_account_moves_nothing():
    """Not even the heartbeat."""
    client, sent = opened()
    client.feed(account_update(sent))
    before = client.accounts[KEY]
    client.now += HOUR
    client.feed(account_update(sent, creation_date=YESTERDAY, ts=client.now))
    assert client.accounts[KEY] == before


def test_after_a_purge_there_is_no_account():
    """Until the server tells of another one."""
    client, sent = opened()
    client.feed(account_update(sent, principal=7), account_purge())
    assert client.accounts[KEY].data is None
    assert balance(client.accounts[KEY], START) == 0.0
    client.feed(account_update(sent, creation_date=TOMORROW, principal=8))
    assert balance(client.accounts[KEY], START) == 8.0


def test_the_balance_of_an_account():
    """Interest goes on accumulating; not on the root account."""
    client, sent = opened()
    client.feed(account_update(sent, principal=1000, interest_rate=10.0))
    year = round(SECONDS_PER_YEAR) * SECOND
    assert balance(client.accounts[KEY], START + year) == pytest.approx(1100.0)
    root = replace(client.accounts[KEY], key=AccountKey(DEBTOR, 0))
    assert balance(root, START + year) == 1000.0


# --- accounts of which nothing is known ---------------------------------------------------------


def policy_of(choice):
    """Who is told what to do with them."""
    return replace(POLICY, unknown_accounts=choice)


def test_an_unknown_account_is_reported():
    """Nothing is sent: a client that was restored must not throw money away."""
    client = Client()
    message = account_update(principal=1000)
    client.feed(message)
    assert client.hear() == [Surprise(kind="UNKNOWN_ACCOUNT", key=KEY, message=message)]
    assert client.flush() == []
    assert client.accounts == {}


@pytest.mark.parametrize(
    ("members", "closes"),
    [
        ({}, True),
        ({"config_flags": 1, "negligible_amount": 1e29}, True),
        ({"config_flags": 2, "negligible_amount": 1e30}, True),
        ({"config_flags": 1, "negligible_amount": 1e30}, False),
        ({"config_flags": 3, "negligible_amount": 1e31}, False),
    ],
)
def test_an_unknown_account_is_closed_if_that_was_chosen(members, closes):
    """Whatever is on it; nothing is remembered, the next update repeats it."""
    client = Client(policy_of(UnknownAccounts.CLOSE))
    client.feed(account_update(last_config_ts=START + 5, last_config_seqnum=2**31 - 1, **members))
    expected = ConfigureAccount(
        debtor_id=DEBTOR,
        creditor_id=ALICE,
        negligible_amount=1e30,
        config_flags=1,
        config_data="",
        ts=START + 5,
        seqnum=-(2**31),
    )
    assert client.flush() == ([expected] if closes else [])
    assert client.accounts == {}
    assert client.hear() == []


@pytest.mark.parametrize(("flags", "state"), [(0, "effectual"), (1, "closing")])
def test_an_unknown_account_is_adopted_if_that_was_chosen(flags, state):
    """With the configuration that the server shows; its ledger begins with a gap."""
    client = Client(policy_of(UnknownAccounts.ADOPT))
    client.feed(
        account_update(
            principal=1000,
            last_config_ts=START - DAY,
            last_config_seqnum=4,
            config_flags=flags,
            negligible_amount=2.0,
            last_transfer_number=3,
        )
    )
    account = client.accounts[KEY]
    wanted = account.configuration
    assert (wanted.state, wanted.last_ts, wanted.last_seqnum) == (state, START - DAY, 4)
    assert (wanted.config_flags, wanted.negligible_amount) == (flags, 2.0)
    assert not wanted.pace.is_waiting, "nothing was ever sent"
    assert wanted.pace.began_at == START
    assert account.ledger is not None
    assert account.ledger.behind_since == START
    assert [type(one) for one in client.hear()] == [ConfigEffectual]
    assert client.flush() == []
    client.feed(Configure(key=KEY))
    assert [(one.ts, one.seqnum) for one in client.flush()] == [(START, 5)]


@pytest.mark.parametrize("choice", list(UnknownAccounts))
def test_an_expired_update_of_an_unknown_account_is_ignored(choice):
    """It may have been purged long ago."""
    client = Client(policy_of(choice))
    client.now += 8 * DAY
    client.feed(account_update())
    assert client.accounts == {}
    assert client.flush() == client.hear() == []


def test_other_messages_about_unknown_accounts_are_ignored():
    """There is nothing that they could change."""
    client, sent = opened()
    client = Client()
    client.feed(account_purge(), rejected_config(sent), account_transfer(1, 5, 5))
    assert client.accounts == {}
    assert client.flush() == client.hear() == []
    assert sum(client.ignored.values()) == 3


@pytest.mark.parametrize(
    ("debtor_id", "creditor_id", "is_ours"),
    [
        (DEBTOR, ALICE, True),
        (-9, ALICE, True),
        (DEBTOR, 0, True),
        (-9, 0, False),
        (DEBTOR, 5, False),
        (DEBTOR, 0x0000020000000001, False),
    ],
)
def test_accounts_of_others_are_left_alone(debtor_id, creditor_id, is_ours):
    """What is not ours belongs to the dead letters."""
    client = Client(policy_of(UnknownAccounts.CLOSE))
    result = client.feed(account_update(debtor_id=debtor_id, creditor_id=creditor_id))
    assert result.foreign == ([] if is_ours else [0])
    assert len(client.flush()) == (1 if is_ours else 0)


def test_dates_are_compared_as_days():
    """An account that is created again has a later date."""
    assert YESTERDAY < TODAY < TOMORROW
