"""The public names: what applications are written against changes only on purpose."""

import inspect
import re

import pytest

from swpt_client import agent, aio, errors, news, policy, records
from swpt_client.persons import Persons
from swpt_client.store.base import Retention
from swpt_client.views import Account

CALLS = {
    "account": "debtor_id, creditor_id, *, session=None",
    "after_restore": "",
    "catch_up": "timeout",
    "begin": "",
    "bundle": "key, legs, *, decide_within, repair_for=604800, session=None",
    "close_account": "debtor_id, creditor_id, *, negligible_amount=1e+30, session=None",
    "commit": "key, amount, note='', note_format='', *, session=None",
    "configure": (
        "debtor_id, creditor_id, *, negligible_amount=0.0, config_flags=0, config_data='', session=None"
    ),
    "dismiss": "key, *, session=None",
    "dismiss_bundle": "key, *, session=None",
    "entries": "debtor_id, creditor_id, *, before=None, limit=50",
    "find_bundle": "key, *, session=None",
    "find_transfer": "key, *, session=None",
    "issue": "key, *, debtor_id, recipient, amount, note='', note_format='', terms=Terms(), session=None",
    "look": "key, known=None",
    "look_account": "key, known=None",
    "on": "*kinds",
    "open_account": "debtor_id, creditor_id, *, negligible_amount=0.0, config_data='', session=None",
    "reserve": (
        "key, *, debtor_id, sender, recipient, min_amount, max_amount, coordinator='direct',"
        " coordinator_id=None, terms=Terms(), session=None"
    ),
    "start": "",
    "stop": "timeout=10.0",
    "transfer": (
        "key, *, debtor_id, sender, recipient, amount, note='', note_format='', coordinator='direct',"
        " coordinator_id=None, terms=Terms(), session=None"
    ),
    "transfer_many": "payments, *, session=None",
    "wait": "key, timeout",
    "wait_for_account": "debtor_id, creditor_id, timeout, until=is_settled",
    "watch_end": "key, wake",
    "watch": "key, wake",
}
OF_THREADS = {
    "after_restore",
    "catch_up",
    "look",
    "look_account",
    "on",
    "start",
    "stop",
    "watch",
    "watch_end",
}
"""Not awaited: they return at once, or belong to `self.agent`."""
OF_AIO = {"run": "work", "run_within": "session, work"}
PERSONS = {
    "abandon",
    "after_restore",
    "behind",
    "close_tails",
    "discard",
    "letters",
    "parked",
    "put_back",
    "resume",
}
ERRORS = {
    "AlreadyDecided",
    "BadField",
    "InBundle",
    "KeyConflict",
    "LedgerIsBehind",
    "NotFound",
    "NotParked",
    "Overtaken",
    "Parked",
    "Refused",
    "StoreAway",
    "UnfitStore",
    "Unsettled",
    "refused",
}
NEWS = {
    "AccountClosed": ("key", "creation_date"),
    "BundleFinished": ("bundle",),
    "ConfigEffectual": ("account",),
    "ConfigRejected": ("account",),
    "EntriesAppended": ("ledger", "entries"),
    "Silent": ("subject", "key", "since"),
    "Surprise": ("kind", "key", "message"),
    "TransferFinished": ("transfer",),
    "TransferPrepared": ("transfer",),
}
VIEW = {"account_id", "balance_at", "is_effectual", "key", "last_heartbeat", "principal", "record", "state"}
RECORDS = {
    "Terms": (
        "final_interest_rate_ts",
        "max_commit_delay",
        "min_commit_period",
        "min_demurrage_rate",
        "decide_within",
        "give_up_after",
    ),
    "Leg": (
        "request",
        "committed_amount",
        "transfer_note",
        "transfer_note_format",
        "payback_creditor_id",
        "payback_recipient",
    ),
    "Request": (
        "debtor_id",
        "creditor_id",
        "recipient",
        "min_locked_amount",
        "max_locked_amount",
        "coordinator_type",
        "coordinator_id",
        "terms",
    ),
}


def names_of(kind):
    """What of a class is meant for others."""
    return {name for name in dir(kind) if not name.startswith("_")}


def arguments_of(function):
    """Its names and defaults, without types."""
    found = []
    is_keyword = False
    for name, one in inspect.signature(function).parameters.items():
        if name == "self":
            continue
        if one.kind is one.KEYWORD_ONLY and not is_keyword:
            is_keyword = True
            found.append("*")
        text = f"*{name}" if one.kind is one.VAR_POSITIONAL else name
        if one.default is not one.empty:
            default = one.default
            shown = getattr(default, "__name__", None) or (
                "Terms()" if default == records.Terms() else repr(default)
            )
            text += f"={shown}"
        found.append(text)
    return ", ".join(found)


def test_the_calls_of_an_agent():
    """Their names, arguments and defaults."""
    methods = names_of(agent.Agent)
    assert {name: arguments_of(getattr(agent.Agent, name)) for name in methods} == CALLS


def test_the_awaited_agent_has_the_same_calls():
    """Name by name, argument by argument."""
    found = {name: arguments_of(getattr(aio.Agent, name)) for name in names_of(aio.Agent)}
    same = {name: arguments for name, arguments in CALLS.items() if name not in OF_THREADS}
    assert found == same | OF_AIO
    for name in same:
        # Without wrappers that hide what they give.
        assert inspect.iscoroutinefunction(getattr(aio.Agent, name)) or name == "begin"


def test_the_names_of_errors_news_and_values():
    """What applications catch, hear and read."""
    assert set(errors.__all__) == ERRORS
    found = {name: getattr(news, name).__struct_fields__ for name in NEWS}
    assert found == NEWS
    assert names_of(Account) == VIEW
    assert {name: getattr(records, name).__struct_fields__ for name in RECORDS} == RECORDS
    assert {one for one in names_of(Persons) if callable(getattr(Persons, one))} == PERSONS


def public():
    """All that an application calls or makes, with what it raises."""
    for name in CALLS:
        yield f"Agent.{name}", getattr(agent.Agent, name)
    for name in ("begin", "run", "run_within", "wait", "wait_for_account"):
        yield f"aio.Agent.{name}", getattr(aio.Agent, name)
    for name in sorted(PERSONS):
        yield f"Persons.{name}", getattr(Persons, name)
    for name in sorted(ERRORS):
        yield f"errors.{name}", getattr(errors, name)
    for name in NEWS:
        yield f"news.{name}", getattr(news, name)
    for kind in (Account, records.Terms, records.Leg, records.Request, policy.Timers, Retention):
        yield kind.__name__, kind
    for name in sorted(VIEW - {"record"}):
        yield f"Account.{name}", getattr(Account, name)


PUBLIC = dict(public())
NOT_REFUSING = {"after_restore", "begin", "catch_up", "on", "start", "stop", "watch", "watch_end"}
REFUSING = sorted(CALLS.keys() - NOT_REFUSING)
OF_THE_PROTOCOL = sorted(
    CALLS.keys()
    - NOT_REFUSING
    - {"dismiss_bundle", "find_bundle", "find_transfer", "look", "look_account", "wait"}
)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_described(name):
    """In a sentence at least."""
    assert len(inspect.getdoc(PUBLIC[name]) or "") > 20


@pytest.mark.parametrize("name", REFUSING)
def test_a_call_says_what_it_raises(name):
    """And the errors exist."""
    doc = inspect.getdoc(getattr(agent.Agent, name)) or ""
    said = doc.partition("Raises ")[2]
    assert said, "it says what it raises"
    named = re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", said.partition(".")[0])
    assert named
    assert set(named) <= ERRORS


@pytest.mark.parametrize("name", OF_THE_PROTOCOL)
def test_a_call_names_the_message_of_the_protocol(name):
    """So that whoever wants to know more knows where to read."""
    doc = inspect.getdoc(getattr(agent.Agent, name)) or ""
    assert "protocol.rst" in doc


@pytest.mark.parametrize(
    "kind",
    [records.Terms, records.Request, records.Leg, policy.Timers, Retention],
    ids=lambda one: one.__name__,
)
def test_a_duration_says_its_unit(kind):
    """Seconds or microseconds: at the field, or for the whole class."""
    if "microseconds" in (inspect.getdoc(kind) or ""):
        return
    lines = inspect.getsource(kind).splitlines()
    for number, line in enumerate(lines):
        if re.search(r"(delay|period|within|after): int", line):
            assert "Seconds" in lines[number + 1], line
