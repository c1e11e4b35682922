"""The benchmarks themselves: they run, refuse wrong usage before they begin, and end in order."""

import random
import re
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from benchmarks import cpu_groups
from benchmarks.generator import Lane
from benchmarks.load import Load
from benchmarks.site import own_durable_postgres, weaknesses
from benchmarks.slices import turns
from swpt_accounts.wire.routing import Realm
from tests.backstage.commands import TOP
from tests.backstage.waiting import wait_until

BENCHMARKS = (sys.executable, "-m", "benchmarks")
BY_TURNS = (sys.executable, "-m", "benchmarks.by_turns")
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GENERATOR = (sys.executable, "-m", "benchmarks.generator")


@pytest.fixture(scope="module")
def durable(postgres):
    """The PostgreSQL of the commands: they refuse the one that tests start for themselves."""
    if not weaknesses(postgres):
        yield postgres
        return
    with own_durable_postgres() as own, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEST_POSTGRES_URL", own.url)
        yield own


def run(*words):
    """A command with its output, in the environment of the tests."""
    return subprocess.run(words, cwd=TOP, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.soak
def test_checkouts_are_compared_by_turns(durable):
    """Each gets its line, with its rate beside that of the first."""
    done = run(*BY_TURNS, "--rounds", "2", "--transfers", "50", "--accounts", "20", "--batch", "20", ".", ".")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert "/s = 1.00; a transfer takes" in lines[0]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((*BENCHMARKS, "procedures", "--scale", "0"), "a number above 0"),
        ((*BENCHMARKS, "procedures", "--scale", "nan"), "a number above 0"),
        ((*BENCHMARKS, "memory", "--minutes", "inf"), "a number above 0"),
        ((*BENCHMARKS, "procedures", "--rounds", "0"), "1 or more"),
        ((*BENCHMARKS, "procedures", "--transfers", "-5"), "1 or more"),
        ((*BENCHMARKS, "core", "--json", "/proc/figures.json"), "can not be written"),
        ((*BENCHMARKS, "everything"), "invalid choice"),
        ((*BY_TURNS, "/proc"), "is no checkout"),
        ((*GENERATOR, "nonsense"), "an address like amqp://"),
        ((*GENERATOR, "amqp://127.0.0.1/", "--rate", "-1"), "0 or a number above"),
    ],
)
def test_wrong_usage_is_refused_at_once(words, reason):
    """In one line after the usage, with exit code 2."""
    done = run(*words)
    assert done.returncode == 2
    assert reason in done.stderr.splitlines()[-1]


def test_a_broker_that_is_away_is_shown_in_one_line(durable, monkeypatch):
    """With its address, but without the password."""
    monkeypatch.setenv("TEST_BROKER_URL", "amqp://guest:secret@127.0.0.1:1/")
    done = run(*BENCHMARKS, "idle")
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("ServiceMissing: RabbitMQ at amqp://guest:***@127.0.0.1:1/")


@pytest.mark.parametrize(("shards", "crossing"), [(1, 0.0), (2, 0.5), (4, 0.75), (4, 0.0)])
def test_a_part_of_the_payments_goes_from_shard_to_shard(shards, crossing):
    """Between accounts that the server itself sees on different shards; nobody pays himself."""
    load = Load(transfers=0, debtor_id=4711, shards=shards, crossing=crossing)
    realms = [Realm(shards.bit_length() - 1, prefix) for prefix in range(shards)]
    place = {one: next(r for r in realms if r.owns(4711, one)) for one in load.creditor_ids()}
    payments = [one for lane in load.lanes(random.Random(1), 2000) for one in lane]
    across = sum(place[sender] != place[recipient] for sender, recipient, _ in payments)
    assert abs(across / 2000 - crossing) < 0.05
    assert all(sender != recipient for sender, recipient, _ in payments)


def test_a_slow_shard_keeps_none_of_the_others_from_their_transfers():
    """Each has its own part of the window."""
    lanes = [Lane(iter([(1, 2, 3)] * 1000), 10, 0) for _ in range(2)]
    slow, quick = lanes
    for _ in range(10):
        slow.take()
        quick.take()
    assert (slow.room(0), quick.room(7)) == (0, 7)


def states(groups):
    """The state of each process: T is stopped."""
    return ["".join(Path(f"/proc/{pid}/stat").read_text().split()[2] for pid in pids) for pids in groups]


def is_turn(groups, at):
    """Whether this one of two groups runs, and the other stands still."""
    seen = states(groups)
    return "T" not in seen[at] and seen[1 - at] == "TT"


def test_shards_take_turns_with_the_machine():
    """One runs and the others stand still, one after the other; in the end all go on."""
    with ExitStack() as stack:
        words = (sys.executable, "-c", "import time\nwhile True: time.sleep(0.001)")
        started = [stack.enter_context(subprocess.Popen(words)) for _ in range(4)]
        for process in started:
            stack.callback(process.kill)
        groups = [[one.pid for one in pair] for pair in (started[:2], started[2:])]
        with turns(groups, seconds=0.3):
            for at in (0, 1, 0):
                wait_until(partial(is_turn, groups, at), "a turn", 30.0)
        wait_until(lambda: "T" not in "".join(states(groups)), "all of them", 30.0)


BUSY_CHILD = """
import subprocess, sys, time
busy = "import time\\nwhile time.process_time() < 0.5: pass"
subprocess.run([sys.executable, "-c", busy])
print("done", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("is_allowed", [True, False])
def test_the_time_of_a_group_is_that_of_all_its_processes(is_allowed, monkeypatch):
    """Also of one that has begun and ended meanwhile; with the rights for control groups, and without."""
    if not is_allowed:
        monkeypatch.setattr(cpu_groups, "_place", lambda: None)
    elif cpu_groups._place() is None:
        pytest.skip("no rights to make control groups")
    with subprocess.Popen(
        (sys.executable, "-c", "input();" + BUSY_CHILD),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        groups = {"busy": [process.pid], "ours": []}
        with cpu_groups.counting(groups) as counted:
            before = counted.read()
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "done\n"
            after = counted.read()
        process.stdin.close()
    assert counted.way == ("control groups" if is_allowed else "/proc")
    assert after["busy"] - before["busy"] >= 0.4
    assert after["ours"] == before["ours"] == 0.0


PROCEDURES = ((*BENCHMARKS, "procedures", "--transfers", "1000000"), "procedures ...\n")
VERIFYING = ((sys.executable, "-m", "benchmarks.verifying"), "making 1,000,000 accounts ...\n")


@contextmanager
def working(command=PROCEDURES, ignored=()):
    """A benchmark that goes on for long, whatever signals these tests were told to ignore."""

    def settle():
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

    words, first_line = command
    with subprocess.Popen(
        words,
        cwd=TOP,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=settle,  # noqa: PLW1509 - what it calls needs no lock
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == first_line
            yield process
        finally:
            process.kill()


def ignored_signals(pid):
    """As a mask, from the system."""
    [mask] = re.findall(r"^SigIgn:\s*(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.M)
    return int(mask, 16)


def test_every_command_has_manners():
    """But for the one that another command starts, and ends by the end of its input."""
    commands = [
        path for path in (TOP / "benchmarks").glob("*.py") if '__name__ == "__main__"' in path.read_text()
    ]
    assert [path.stem for path in commands if " mannered(" not in path.read_text()] == ["turn"]


@pytest.mark.parametrize(
    ("command", "number"),
    [
        pytest.param(PROCEDURES, signal.SIGTERM, marks=pytest.mark.soak),
        pytest.param(PROCEDURES, signal.SIGHUP, marks=pytest.mark.soak),
        (VERIFYING, signal.SIGTERM),
    ],
)
def test_a_signal_ends_it_in_order(durable, command, number):
    """Databases are dropped, also by a closed terminal; the exit code is that of an interrupt."""
    with working(command) as process:
        process.send_signal(number)
        _, said = process.communicate(timeout=150)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "interrupted; what was made is dropped"
    assert durable.names_made_by(process.pid) == []


def test_nohup_is_respected(durable):
    """A signal that it was started to ignore stays ignored, and Ctrl-C ends it in order as always."""
    with working(ignored=(signal.SIGHUP,)) as process:
        assert ignored_signals(process.pid) & 1 << signal.SIGHUP - 1
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=150)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "interrupted; what was made is dropped"
    assert durable.names_made_by(process.pid) == []
