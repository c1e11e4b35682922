"""Chores of a shard of several: settings from elsewhere, rows that a split has left, credits added up."""

import logging

import pytest

from swpt_accounts.events import AccountUpdate, decode
from swpt_accounts.operators.inspection.shards.shard_check import check_shard
from swpt_accounts.rules.flows import slot_of
from swpt_accounts.rules.policy import Policy
from swpt_accounts.storage import connections
from swpt_accounts.storage.outbox.rows import unpack
from swpt_accounts.wire.routing import Realm
from tests.backstage import far_shards as far
from tests.backstage.builders import DAY, HOUR, NOW, ROOT, configure, credit
from tests.backstage.far_shards import far_shards
from tests.backstage.housekeeper import housekeeping

HERE, THERE = Realm.parse("0.#"), Realm.parse("1.#")
DEBTOR = next(number for number in range(1, 99) if THERE.owns(number, ROOT))
NEAR = [number for number in range(1000, 2000) if HERE.owns(DEBTOR, number)]
FAR = [number for number in range(1000, 2000) if THERE.owns(DEBTOR, number)]
RATE = '{"rate":5.0,"info":{"type":"DebtorInfo","iri":"https://example.com/"}}'


@pytest.fixture
def shards():
    """The shard of the root account."""
    with far_shards("1.#", configs={DEBTOR: RATE}) as shards:
        yield shards


@pytest.fixture
def make_keeper(database, shards):
    """Makes housekeepers of the shard."""
    environ = {
        "PROTOCOL_BROKER_QUEUE_ROUTING_KEY": "0.#",
        "FETCH_API_URL": shards.url,
        "INTERNAL_USER": "guest",
        "FETCH_TIMEOUT": "20",
    }

    def make(**changes: str):
        return housekeeping(database, **(environ | changes))

    return make


@pytest.fixture
def here(stand):
    """One of two shards, without the root account of its currency."""
    stand.replace(policy=Policy(realm=HERE))
    return stand


def open_accounts(here, creditor_ids) -> None:
    """New accounts, whose first AccountUpdate is published."""
    here.apply(*(configure(number, debtor_id=DEBTOR) for number in creditor_ids))
    here.execute("DELETE FROM outbox")


def updates(here) -> list[AccountUpdate]:
    """What the accounts were told."""
    return [event for event in here.events() if isinstance(event, AccountUpdate)]


# -- settings from another shard ---------------------------------------------------------------


def test_new_accounts_get_their_settings_in_a_later_step(here, shards, make_keeper):
    """Rate and info together, with one number, by one question for the currency (behaviour 8)."""
    open_accounts(here, NEAR[:5])
    with make_keeper() as keeper:
        keeper.do("read foreign settings")
        told = updates(here)
        assert [(event.creditor_id, event.last_change_seqnum) for event in told] == [(n, 2) for n in NEAR[:5]]
        assert {(event.interest_rate, event.debtor_info_iri) for event in told} == {
            (5.0, "https://example.com/")
        }
        assert shards.asked[DEBTOR, ROOT] == 1
        assert here.count("settings_due") == 0
        # The next accounts of the currency need no question while the settings are fresh.
        open_accounts(here, NEAR[5:7])
        keeper.do("read foreign settings")
    assert len(updates(here)) == 2
    assert shards.asked[DEBTOR, ROOT] == 1


def test_a_currency_is_asked_for_once_per_interval_and_its_news_reach_all_accounts(here, shards, make_keeper):
    """Not each account, and not before ROOT_CONFIG_CACHE_TTL is over."""
    open_accounts(here, NEAR[:5])
    with make_keeper() as keeper:
        keeper.do("read foreign settings", "propagate settings")
        here.execute("DELETE FROM outbox")
        shards.configs[DEBTOR] = RATE.replace("5.0", "5.0").replace("example.com", "example.org")
        keeper.do("read foreign settings", "propagate settings")
        assert updates(here) == []
        keeper.now += HOUR
        keeper.do("read foreign settings", "propagate settings")
    assert {event.debtor_info_iri for event in updates(here)} == {"https://example.org/"}
    assert len(updates(here)) == 5
    assert shards.asked[DEBTOR, ROOT] == 2


@pytest.mark.parametrize(
    "manner", [far.answers(503), far.answers(200, b"nonsense"), far.resets], ids=far.name
)
def test_without_an_answer_accounts_keep_what_they_have(here, shards, make_keeper, manner):
    """It is asked again after a pause, and then the settings come."""
    open_accounts(here, NEAR[:1])
    shards.manner = manner
    with make_keeper() as keeper:
        keeper.do("read foreign settings")
        assert updates(here) == []
        assert here.rows("SELECT attempts, read_at FROM foreign_currency") == [(1, 0)]
        shards.manner = lambda shards, handler: False
        keeper.now += 2_000_000
        keeper.do("read foreign settings")
    assert [event.interest_rate for event in updates(here)] == [5.0]


def test_without_a_root_account_there_are_no_settings(here, shards, make_keeper):
    """404 means that accounts stay as they are, and new ones do not wait for anything."""
    shards.configs.clear()
    open_accounts(here, NEAR[:2])
    with make_keeper() as keeper:
        keeper.do("read foreign settings", "propagate settings")
        assert updates(here) == []
        assert here.count("settings_due") == 0
        shards.configs[DEBTOR] = RATE
        keeper.now += HOUR
        keeper.do("read foreign settings", "propagate settings")
    assert len(updates(here)) == 2


def test_settings_that_were_read_more_than_a_day_ago_are_not_applied(here, shards, make_keeper):
    """They are read again first (rule R2, behaviour 56)."""
    open_accounts(here, NEAR[:1])
    with make_keeper() as keeper:
        keeper.do("read foreign settings")
        here.execute("DELETE FROM outbox")
        # Somebody has set the rate back, so that the settings would change it.
        here.execute(
            "UPDATE account SET interest_rate = 1.0, last_interest_rate_change_ts = 0, debtor_info_id = 0"
        )
        shards.manner = far.answers(503)
        keeper.now = NOW + DAY + 1
        keeper.do("read foreign settings", "tend accounts")
        assert here.account(NEAR[0], DEBTOR).interest_rate == 1.0
        shards.manner = lambda shards, handler: False
        keeper.now += HOUR
        keeper.do("read foreign settings", "tend accounts")
    assert here.account(NEAR[0], DEBTOR).interest_rate == 5.0


def test_accounts_that_a_split_has_given_here_are_found(here, shards, make_keeper):
    """Their root account was here before, and is on the sibling now."""
    open_accounts(here, NEAR[:3])
    here.execute("DELETE FROM settings_due")
    with make_keeper() as keeper:
        keeper.do(
            "summarize debtors", "find foreign currencies", "read foreign settings", "propagate settings"
        )
    assert len(updates(here)) == 3


# -- what a split has left ---------------------------------------------------------------------


def make_copy(stand) -> None:
    """A parent's database, with money, accounts of both children, and all kinds of rows."""
    stand.replace(policy=Policy())
    stand.apply(configure(ROOT, debtor_id=DEBTOR, negligible_amount=1e30, config_data=RATE))
    for number, creditor_id in enumerate((*NEAR[:3], *FAR[:3])):
        stand.apply(configure(creditor_id, debtor_id=DEBTOR))
        stand.apply(credit(creditor_id, 100, debtor_id=DEBTOR, change_id=number, other_creditor_id=ROOT))
        stand.apply(credit(ROOT, -100, debtor_id=DEBTOR, change_id=number, other_creditor_id=creditor_id))


def counted(database, binding_key):
    """The foreign rows that the shard check finds, by table."""
    with connections.session(database, "a test") as connection:
        checks = check_shard(connection, Realm.parse(binding_key))
        assert checks is not None
        return {check.table: check.foreign for check in checks}


def test_foreign_rows_disappear_in_silence_and_the_sums_stay_right(stand, database, make_keeper):
    """With DELETE_FOREIGN_RECORDS; what goes counts as money that has left (behaviour 61)."""
    make_copy(stand)
    before = stand.count("outbox")
    foreign = counted(database, "0.#")
    assert foreign["account"] == 4
    with make_keeper(DELETE_FOREIGN_RECORDS="yes") as keeper:
        keeper.do("tend foreign rows", "add up credits")
    foreign = counted(database, "0.#")
    assert foreign["account"] == 0
    flows = "SELECT sum(emitted - applied) FROM credit_flow"
    assert stand.value(f"SELECT sum(principal) + ({flows}) FROM account") == 0, "V3"
    assert stand.rows("SELECT creditor_id FROM account ORDER BY 1") == [(number,) for number in NEAR[:3]]
    assert stand.count("root_configuration") == 0
    assert stand.rows("SELECT emitted - applied FROM credit_flow") == [(-300,)]
    assert stand.count("outbox") == before


def test_without_the_switch_foreign_rows_are_kept_with_an_alarm(stand, database, make_keeper, caplog):
    """Somebody may have started the wrong realm; nothing is done to these accounts (behaviour 61)."""
    make_copy(stand)
    caplog.set_level(logging.ERROR)
    with make_keeper() as keeper:
        keeper.do("tend foreign rows", "tend accounts", "announce updates")
    assert stand.count("account") == 7
    assert "4 accounts behind debtor" in caplog.text


def test_what_the_parent_does_not_own_is_never_removed(stand, database, make_keeper):
    """Only what the sibling has as well may go."""
    make_copy(stand)
    realm = "0.0.#" if any(not Realm.parse("0.0.#").owns(DEBTOR, n) for n in NEAR[:3]) else "0.1.#"
    with make_keeper(PROTOCOL_BROKER_QUEUE_ROUTING_KEY=realm, DELETE_FOREIGN_RECORDS="yes") as keeper:
        keeper.do("tend foreign rows")
    left = {number for (number,) in stand.rows("SELECT creditor_id FROM account")}
    assert left == {ROOT, *FAR[:3], *(n for n in NEAR[:3] if Realm.parse(realm).owns(DEBTOR, n))}


def outbox_of(stand) -> list[tuple[bool, set[int]]]:
    """The rows of the outbox: whether they are parked, and whose events they hold."""
    rows = stand.rows("SELECT next_attempt_at IS NULL AND publisher_key IS NULL, payload FROM outbox")
    return sorted(
        (parked, {decode(one.body).creditor_id for one in unpack(bytes(payload))}) for parked, payload in rows
    )


@pytest.mark.parametrize("deletes", [True, False])
def test_each_child_publishes_only_what_it_owns(stand, make_keeper, deletes):
    """A row with messages of both is divided: the sibling sends the others (rule O9, behaviour 61)."""
    stand.apply(*(configure(number, debtor_id=DEBTOR) for number in (*NEAR[:2], *FAR[:2])))
    stand.execute("UPDATE outbox SET publisher_key = 12345")
    switch = {"DELETE_FOREIGN_RECORDS": "yes"} if deletes else {}
    with make_keeper(**switch) as keeper:
        keeper.outbox.connect()
        keeper.do("relay outbox")
    expected = [(False, set(NEAR[:2]))]
    if not deletes:
        expected.append((True, set(FAR[:2])))
    assert outbox_of(stand) == expected


# -- credits -----------------------------------------------------------------------------------


def test_flows_of_credits_become_one_row_for_each_currency(here, make_keeper):
    """Their sum stays what it was, at every moment."""
    for number in range(5):
        here.apply(credit(NEAR[0], 10, debtor_id=DEBTOR, change_id=number))
        old = {"change_id": 5 + number, "committed_at": NOW - 4 * HOUR - number * HOUR}
        here.apply(credit(NEAR[0], 20, debtor_id=DEBTOR, **old))
    assert here.count("credit_flow") == 10
    with make_keeper() as keeper:
        keeper.do("add up credits")
    rows = here.rows("SELECT debtor_id, committed_slot, emitted, applied FROM credit_flow ORDER BY 2")
    assert rows == [(DEBTOR, 0, 0, 100), (DEBTOR, slot_of(NOW), 0, 50)]


def test_money_that_does_not_leave_is_an_alarm_after_an_hour(here, make_keeper, caplog):
    """It is nowhere meanwhile, although nothing is lost."""
    open_accounts(here, NEAR[:1])
    here.execute(
        "INSERT INTO outbox (created_at, type_counts, accounts, payload)"
        " VALUES (%s, '{\"PendingBalanceChange\": 1}', '', '')",
        NOW,
    )
    with make_keeper() as keeper:
        keeper.now = NOW + HOUR
        keeper.do("add up credits")
        assert "stays in the outbox" not in caplog.text
        keeper.now = NOW + HOUR + 60_000_000
        keeper.do("add up credits")
    assert "money for other shards stays in the outbox: 1 rows" in caplog.text


# -- the parts of the node -------------------------------------------------------------------------


def test_a_shard_raises_an_alarm_when_the_parts_of_its_node_do_not_fit(here, shards, make_keeper, caplog):
    """A shared queue, and what nobody has; for accounts of its own it asks nobody."""
    with make_keeper(PROTOCOL_BROKER_QUEUE="half") as keeper:
        shards.queues["1.#"] = "other_half"
        keeper.do("look at the node")
        assert caplog.messages == []
        shards.queues["1.#"] = "half"
        keeper.do("look at the node")
        shards.realms = [Realm.parse("1.0.#")]
        keeper.do("look at the node")
    told = [message.removeprefix("ALARM: the parts of the node do not fit: ") for message in caplog.messages]
    assert told == [
        "0.# and 1.# have the same queue half, and take each other's messages",
        "the router knows no shard for an account in 1.#",
    ]
    assert all(THERE.owns(*key) for key in shards.asked)
