"""The file of peers: what it may say, and that what is wrong is refused with one line."""

import pytest

from swpt_accounts.runtime.peers_file import read_peers
from swpt_accounts.runtime.settings import SettingsError, load
from swpt_accounts.wire.messages import Message
from tests.backstage.builders import configure, request

GOOD = """
# Who speaks for whom.
[peers.creditors]
creditors = ["00.00.05.#", "00.00.06.#", 4294967297]
coordinator_types = ["direct", "agent", "trade"]

[peers."the issuer"]
debtors = [4711, 18446744073709551615, "7f.#"]
coordinator_types = ["issuing"]

[default]
creditors = ["#"]
coordinator_types = ["direct", "escrow"]
"""
ENVIRON = {"POSTGRES_URL": "postgresql://h/d", "PROTOCOL_BROKER_URL": "amqp://server:hush@h"}


@pytest.fixture(name="write")
def _write(tmp_path):
    def write(text):
        file = tmp_path / "peers.toml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(file)

    return write


def test_a_file_is_read_as_it_stands(write):
    """Ids are signed or unsigned, prefixes are those of routing keys, and names may have spaces."""
    peers = load(ENVIRON | {"PEERS_FILE": write(GOOD)}).peers()
    assert peers is not None
    allowed: list[tuple[str | None, Message]] = [
        ("creditors", configure(5 << 40)),
        ("creditors", configure(4294967297)),
        ("the issuer", configure(0, debtor_id=-1)),
        ("the issuer", configure(0, debtor_id=0x7F << 56)),
        (None, configure(-1)),
        ("anybody", request(4294967298, coordinator_type="escrow")),
        ("server", configure(5 << 40)),
    ]
    assert [peers.why_not(*one) for one in allowed] == [None] * len(allowed)
    refused: list[tuple[str | None, Message]] = [
        (None, configure(5 << 40)),
        ("the issuer", configure(0, debtor_id=4712)),
    ]
    assert all(peers.why_not(*one) for one in refused)


def test_without_a_file_everybody_may_say_everything():
    """As before there was such a setting."""
    assert load(ENVIRON).peers() is None


TWO = """
[peers.a]
creditors = ["00.00.05.#"]
coordinator_types = ["direct", "trade"]
[peers.b]
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "must have a table [peers.NAME] for each broker user, or [default]"),
        ("[peers.a", "must be a TOML file: "),
        (b"\xff", "must be text in UTF-8"),
        ("[peer.a]", "the top: does not know 'peer', only default, peers"),
        ("peers = 1", "peers: must be tables"),
        ("[peers]\na = 1", "peers.'a': must be a table"),
        ("[peers.a]", "peers.'a': must speak for somebody"),
        ("[default]\ncreditor = [1]", "default: does not know 'creditor', only coordinator_types, creditors"),
        ("[default]\ncreditors = 1", "default.creditors: must be an array"),
        ("[default]\ncreditors = [1, 1.5]", "default.creditors[1]: 1.5 must be an id"),
        ("[default]\ncreditors = [true]", "default.creditors[0]: True must be an id"),
        ("[default]\ncreditors = [18446744073709551616]", "default.creditors[0]: 18446744073709551616 must"),
        ("[default]\ndebtors = [-9223372036854775809]", "default.debtors[0]: -9223372036854775809 must be"),
        ("[default]\ncreditors = ['00.00.1.#']", "default.creditors[0]: '00.00.1.#' must be an id"),
        ("[default]\ncreditors = ['00.00.0A.#']", "default.creditors[0]: '00.00.0A.#' must be"),
        ("[default]\ncreditors = ['00.00.01']", "default.creditors[0]: '00.00.01' must be"),
        ("[default]\ncreditors = ['00.00.01.#\\n']".replace("'", '"'), "must be an id"),
        ("[default]\ncreditors = [0]", "default.creditors: 0 is the root account"),
        ("[default]\ncreditors = [1, 1]", "default.creditors: 1 is already with default, as 1"),
        ("[default]\ndebtors = [1]\ncoordinator_types = ['']", "default.coordinator_types[0]: '' must be"),
        ("[default]\ndebtors = [1]\ncoordinator_types = ['delete']", "'delete' is for the server itself"),
        ("[peers.server]\ndebtors = [1]", "peers.'server': is the user of PROTOCOL_BROKER_URL"),
        ("[peers.'']\ndebtors = [1]", "peers.'': must be the name of a broker user"),
        (
            TWO + "creditors = ['00.00.05.00.#']",
            "peers.'b'.creditors: 00.00.05.00.# is already with peers.'a'",
        ),
        (TWO + "creditors = ['00.#']", "peers.'a'.creditors: 00.00.05.# is already with peers.'b', as 00.#"),
        (TWO + "creditors = [5497558138881]", "peers.'b'.creditors: 5497558138881 is already with peers.'a'"),
        (
            TWO + "debtors = [1]\ncoordinator_types = ['trade']",
            "peers.'b'.coordinator_types: 'trade' is already with peers.'a'",
        ),
        ("[peers.a]\ndebtors = [1]\n[peers.a]\ndebtors = [2]", "must be a TOML file: "),
    ],
)
def test_a_wrong_file_is_refused_with_one_line(write, text, told):
    """The line names setting, file and place; nothing starts with a table that means something else."""
    path = write(text)
    with pytest.raises(SettingsError) as refusal:
        load(ENVIRON | {"PEERS_FILE": path})
    [line] = refusal.value.problems
    assert line.startswith(f"PEERS_FILE={path}: ")
    assert told in line
    assert len(line) < 400
    assert "\n" not in line


def test_a_file_that_is_not_there_is_refused(tmp_path):
    """So is a folder, and what can not be a path."""
    for path, told in (("no.toml", "No such file"), (".", "Is a directory"), ("a\0b", "must be")):
        with pytest.raises(SettingsError, match=told):
            load(ENVIRON | {"PEERS_FILE": f"{tmp_path}/{path}"})


def test_a_file_that_is_spoiled_later_stops_what_begins_with_it(write):
    """A role reads it when it begins, and says the same as at the settings."""
    settings = load(ENVIRON | {"PEERS_FILE": write(GOOD)})
    write("[peers]\na=1")
    with pytest.raises(SettingsError, match="must be a table"):
        settings.peers()


def test_two_may_have_the_types_that_belong_to_accounts(write):
    """`direct`, `agent` and `issuing` say by their ids whose they are."""
    assert read_peers(
        write(TWO + "creditors = [1]\ncoordinator_types = ['direct']"), "server"
    ).by_user.keys() == {
        "a",
        "b",
    }


def test_the_default_has_no_type_of_a_peer(write):
    """A coordinator of its own is not everybody's."""
    peers = read_peers(
        write(TWO + "creditors=[1]\n[default]\ncreditors=['#']\ncoordinator_types=['trade']"), ""
    )
    assert (
        peers.why_not(None, request(2, coordinator_type="trade")) == "coordinator_type: not one of this peer"
    )
