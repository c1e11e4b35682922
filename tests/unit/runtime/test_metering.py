"""Where the numbers of processes are kept, so that the web server can add them up."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.multiprocess import MultiProcessCollector

from swpt_accounts.runtime import metering
from tests.backstage.commands import TOP

# A process that counts, says under which name, and waits for the end of its input.
COUNT = """
import logging
import sys
from swpt_accounts.runtime import metering
metering.begin(sys.argv[1], "worker")
from swpt_accounts.runtime import metrics
metrics.MESSAGES_CONSUMED.labels("PrepareTransfer").inc(float(sys.argv[2]))
metrics.BATCH_MESSAGES.observe(float(sys.argv[2]))
logging.getLogger("swpt_accounts.x").error("ALARM: %s", "look here")
logging.getLogger("swpt_accounts.x").error("Something else, ALARM: %s", "no")
print("counted", flush=True)
sys.stdin.read()
"""


class Process:
    """A process that has counted a number of messages, and lives until it is killed."""

    def __init__(self, folder: Path, number: int) -> None:
        self._process = subprocess.Popen(
            (sys.executable, "-c", COUNT, os.fspath(folder), str(number)),
            cwd=TOP,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "counted\n", self.kill()

    def kill(self) -> str:
        """End it without warning; what it had to say."""
        self._process.kill()
        return self._process.communicate()[1]


@pytest.fixture
def start(tmp_path):
    """Starts processes that count in the folder of this test."""
    started = []

    def start(number):
        started.append(Process(tmp_path, number))
        return started[-1]

    yield start
    for process in started:
        process.kill()


def added_up(folder: Path) -> dict[str, float]:
    """The numbers of all processes, without labels."""
    files = [os.fspath(path) for path in folder.glob("*_*.db")]
    totals: dict[str, float] = {}
    for metric in MultiProcessCollector.merge(files):
        for sample in metric.samples:
            totals[sample.name] = totals.get(sample.name, 0) + sample.value
    return totals


def test_numbers_of_processes_add_up(start, tmp_path):
    """Two processes at a time count in files of their own, counters and histograms."""
    start(3)
    start(4)
    totals = added_up(tmp_path)
    assert (totals["messages_consumed_total"], totals["batch_messages_sum"]) == (7, 7)
    assert {path.name for path in tmp_path.glob("*.db")} == {
        f"{kind}_worker-{number}.db" for kind in ("counter", "histogram", "gauge_max") for number in (1, 2)
    }


def test_lines_with_an_alarm_are_counted(start, tmp_path):
    """Whoever writes such a line need not think of the counter."""
    start(1)
    assert added_up(tmp_path)["alarms_total"] == 1


def test_a_successor_goes_on_with_the_numbers_of_the_dead(start, tmp_path):
    """However often a worker is killed, nothing is lost and no file is left behind."""
    for number in (1, 2, 3):
        start(number).kill()
    assert added_up(tmp_path)["messages_consumed_total"] == 6
    assert len(list(tmp_path.glob("*.db"))) == 3


def test_the_living_are_counted(start, tmp_path):
    """A role that has nobody left shows 0, which an alert can see."""
    processes = [start(1), start(1)]
    assert metering.living(tmp_path) == {"worker": 2}
    processes[1].kill()
    assert metering.living(tmp_path) == {"worker": 1}
    processes[0].kill()
    assert metering.living(tmp_path) == {"worker": 0}


def test_a_spoilt_file_costs_its_numbers_and_nothing_else(start, tmp_path):
    """A process starts although a crash has left nonsense where its numbers should be."""
    start(1).kill()
    (tmp_path / "counter_worker-1.db").write_bytes(b"\xff" * 100)
    process = start(5)
    assert added_up(tmp_path)["messages_consumed_total"] == 5
    assert "begin at 0 again" in process.kill()


def test_a_folder_that_cannot_be_used_stops_nobody(start, tmp_path):
    """Without its folder a process counts in memory, says so, and works."""
    (tmp_path / "file").write_text("")
    process = Process(tmp_path / "file", 1)
    assert "METRICS_FOLDER" in process.kill()


def test_the_space_of_a_file_is_taken_at_the_start(start, tmp_path):
    """A disk that fills up later kills nobody: the files never grow, and most of their space is free."""
    start(1)
    for path in tmp_path.glob("*.db"):
        found = path.stat()
        assert found.st_size == metering.FILE_BYTES
        assert found.st_blocks * 512 >= metering.FILE_BYTES
        used = int.from_bytes(path.read_bytes()[:4], sys.byteorder)
        assert used < metering.FILE_BYTES // 4


def test_numbers_come_after_the_decision_where_they_are_kept():
    """No command imports the library before it is told where to keep numbers."""
    code = (
        "import sys, swpt_accounts.commands.cli, swpt_accounts.runtime.metering;"
        " print('prometheus_client' in sys.modules)"
    )
    said = subprocess.run(
        (sys.executable, "-c", code), cwd=TOP, capture_output=True, text=True, check=True
    ).stdout
    assert said == "False\n"
