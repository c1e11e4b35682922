"""The tour in README.md: what the page shows is what happens."""

import re
import shlex
import subprocess

import pytest

from tests.backstage.commands import PYTHON, TOP, get

SECTION = (TOP / "README.md").read_text().split("\n## A tour")[1].split("\n## ")[0]
SHOWN = dict(re.findall(r"```sh\n([^\n]+)\n```\n\n```text\n(.+?)\n```", SECTION, re.S))
TOUR = ".venv/bin/python scripts/tour.py"


def outcome_of(command, deployment, **environ):
    """What a command of the page prints, with the server of the tests instead of the reader's."""
    words = shlex.split(command)
    words[:1] = PYTHON if words[0] == ".venv/bin/python" else (str(TOP / words[0]),)
    servers = {"POSTGRES_URL": deployment.postgres_url, "PROTOCOL_BROKER_URL": deployment.amqp_url}
    return subprocess.run(
        words,
        cwd=TOP,
        env=servers | environ,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=150,
        check=False,
    )


def without_serial_numbers(text):
    """Transfer ids count the transfers of an account, from a number that depends on the day."""
    return re.sub(r"transfer_id=\d+", "transfer_id=…", text).strip()


@pytest.fixture
def played(deployment, agent):
    """What the tour has printed, on a server whose other messages are taken by somebody."""
    return outcome_of(f"{TOUR} play", deployment)


def test_the_tour_is_what_the_page_shows(played, deployment):
    """A reader who plays the tour on a new server sees the page, and then what its other commands show."""
    assert played.stderr == ""
    assert without_serial_numbers(played.stdout) == without_serial_numbers(SHOWN[f"{TOUR} play"])

    [(curl, status)] = [item for item in SHOWN.items() if item[0].startswith("curl ")]
    [path] = re.findall(r"http://127\.0\.0\.1:8080(/\S+)", curl)
    assert str(get(deployment.web_port, path)[0]) == status

    [(verify, sound)] = [item for item in SHOWN.items() if " verify " in item[0]]
    assert outcome_of(verify, deployment).stdout.strip() == sound
    assert len(SHOWN) == 3


def test_the_tour_can_be_played_again(played, deployment):
    """A second round finds the accounts of the first, shows whole messages, and ends well."""
    again = outcome_of(f"{TOUR} play --json", deployment)
    assert again.returncode == 0
    assert '"status_code": "INSUFFICIENT_AVAILABLE_AMOUNT"' in again.stdout.splitlines()[-1]


def test_a_reader_who_has_seen_enough_ends_the_tour(deployment, agent):
    """Behind `head` the tour stops at the first line that nobody reads, and blames nobody."""
    command = f"{shlex.join([*PYTHON, 'scripts/tour.py'])} play --json | head -1"
    ended = outcome_of(f"/bin/bash -o pipefail -c {shlex.quote(command)}", deployment)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(ended.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("amqp://guest:guest@127.0.0.1:1", "No connection to the broker of PROTOCOL_BROKER_URL: "),
        ("nonsense", "PROTOCOL_BROKER_URL: must be like amqp://user:password@host:5672"),
    ],
)
def test_a_broker_that_is_away_is_one_line(deployment, url, line):
    """Without a broker the tour says so, and does not show its insides."""
    failed = outcome_of(f"{TOUR} play", deployment, PROTOCOL_BROKER_URL=url)
    assert failed.returncode == 1
    [said] = failed.stderr.splitlines()
    assert said.startswith(line)


def test_a_broker_without_a_server_is_one_line(deployment, amqp_url):
    """On a broker that no server has configured the tour says what to do first."""
    failed = outcome_of(f"{TOUR} play", deployment, PROTOCOL_BROKER_URL=amqp_url)
    assert failed.returncode == 1
    assert failed.stderr == "The broker lacks the server's exchanges or queue: start the server first.\n"
