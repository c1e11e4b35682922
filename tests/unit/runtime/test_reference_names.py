"""The settings of the reference server: each is refused with the name to use."""

import pytest

from swpt_accounts.runtime.reference_names import SUCCESSORS, refused_names
from swpt_accounts.runtime.settings import Settings, SettingsError, load
from swpt_accounts.runtime.variables import variables

DATABASE = {"POSTGRES_URL": "postgresql://u@h/d"}
OURS = variables(Settings)

# By its default there: what an operator has to write instead.
NUMBERS = [
    ("APP_MESSAGE_MAX_DELAY_DAYS", "7.0", "MESSAGE_MAX_DELAY=604800"),
    ("APP_SIGNALBUS_MAX_DELAY_DAYS", "7", "MESSAGE_MAX_DELAY=604800"),
    ("APP_INTRANET_EXTREME_DELAY_DAYS", "14.0", "INTERNAL_MAX_DELAY=1209600"),
    ("APP_PREPARED_TRANSFER_MAX_DELAY_DAYS", "90.0", "COMMIT_PERIOD=7776000"),
    ("APP_PREPARED_TRANSFER_REMAINDER_DAYS", "7.0", "REMINDER_INTERVAL=604800"),
    ("APP_ACCOUNT_HEARTBEAT_DAYS", "7.0", "HEARTBEAT_INTERVAL=604800"),
    ("APP_MIN_INTEREST_CAPITALIZATION_DAYS", "14.0", "CAPITALIZATION_MIN_INTERVAL=1209600"),
    ("APP_MAX_INTEREST_TO_PRINCIPAL_RATIO", "0.0001", "CAPITALIZATION_MIN_RATIO=0.0001"),
    ("APP_DELETION_ATTEMPTS_MIN_DAYS", "14.0", "DELETION_RETRY_INTERVAL=1209600"),
    ("APP_ACCOUNTS_SCAN_HOURS", "8.0", "ACCOUNTS_SCAN_INTERVAL=28800"),
    ("APP_PREPARED_TRANSFERS_SCAN_DAYS", "1.0", "REMINDERS_SCAN_INTERVAL=86400"),
    ("APP_REGISTERED_BALANCE_CHANGES_SCAN_DAYS", "7.0", "REGISTRY_SCAN_INTERVAL=604800"),
    ("APP_FETCH_API_TIMEOUT_SECONDS", "5.0", "FETCH_TIMEOUT=5"),
    ("APP_FETCH_CONNECTIONS", "100", "FETCH_CONNECTIONS=100"),
    ("APP_FETCH_DATA_CACHE_SIZE", "1000", "ROOT_CONFIG_CACHE_SIZE=1000"),
    ("PROTOCOL_BROKER_PROCESSES", "1", "WORKER_PROCESSES=1"),
]
OTHERS = [
    ("APP_LOG_LEVEL", "LOG_LEVEL"),
    ("APP_LOG_FORMAT", "LOG_FORMAT"),
    ("APP_FETCH_API_URL", "FETCH_API_URL"),
    ("DELETE_PARENT_SHARD_RECORDS", "DELETE_FOREIGN_RECORDS"),
    ("SQLALCHEMY_DATABASE_URI", "POSTGRES_URL"),
]


@pytest.mark.parametrize("name", SUCCESSORS)
def test_every_name_is_refused_at_start(name):
    """Whatever its value, the program does not start, and says what to do in one line with the name."""
    with pytest.raises(SettingsError) as refusal:
        load(DATABASE | {name: "1"})
    [line] = refusal.value.problems
    assert line.startswith(f"{name} is a setting of the reference server: ")
    assert line.split("reference server: ")[1].startswith(("use ", "remove it, "))


@pytest.mark.parametrize(("name", "value", "instead"), NUMBERS)
def test_a_number_is_converted(name, value, instead):
    """Days and hours are shown in seconds, and what is shown is what this server takes."""
    assert list(refused_names({name: value})) == [
        f"{name} is a setting of the reference server: use {instead} instead."
    ]
    load(DATABASE | dict([instead.split("=")]))


@pytest.mark.parametrize(("name", "instead"), OTHERS)
def test_a_text_is_not_repeated(name, instead):
    """Only the name is shown: the text may have a password in it."""
    [line] = refused_names({name: "postgresql://u:secret@h/d"})
    assert line == f"{name} is a setting of the reference server: use {instead} instead."


def test_the_tables_above_are_complete():
    """Each name that has a successor here is in one of them, and each successor is a setting."""
    documented = {name for name, *_ in (*NUMBERS, *OTHERS)}
    assert documented == {name for name, successor in SUCCESSORS.items() if successor.name}
    assert {successor.name.lower() for successor in SUCCESSORS.values() if successor.name} <= OURS.keys()


def test_a_number_that_is_none_is_not_repeated():
    """Then the name and the unit are shown."""
    [line] = refused_names({"APP_ACCOUNTS_SCAN_HOURS": "eight"})
    assert line.endswith(": use ACCOUNTS_SCAN_INTERVAL, in seconds, instead.")
    assert list(refused_names({"APP_FETCH_CONNECTIONS": ""})) == [
        "APP_FETCH_CONNECTIONS is a setting of the reference server: use FETCH_CONNECTIONS instead."
    ]


def test_no_name_of_this_server_is_refused():
    """What both servers know means the same on both."""
    assert not {name.upper() for name in OURS} & SUCCESSORS.keys()


def test_all_are_shown_at_once():
    """With what is wrong besides."""
    with pytest.raises(SettingsError) as refusal:
        load({"APP_LOG_LEVEL": "info", "FLUSH_PERIOD": "2", "LOG_LEVEL": "loud"})
    assert [line.split()[0] for line in refusal.value.problems] == [
        "APP_LOG_LEVEL",
        "FLUSH_PERIOD",
        "POSTGRES_URL",
        "LOG_LEVEL=loud:",
    ]
