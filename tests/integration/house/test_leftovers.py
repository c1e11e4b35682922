"""What a run leaves that is killed: the next one deletes it, and nothing of anybody who lives."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.backstage.commands import TOP
from tests.backstage.waiting import wait_until
from tests.services import leftovers
from tests.services.leftovers import is_leftover, new_name, on_the_right_clock

RUN = """
import signal, tempfile
from contextlib import ExitStack
from pathlib import Path
from tests.services.errors import ServiceMissing
from tests.services.leftovers import folder_of_this_run
from tests.services.postgres import own_postgres
from tests.services.small_disk import small_disk
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever began us may ignore it
with folder_of_this_run() as folder, own_postgres() as server, ExitStack() as stack:
    try:
        Path(stack.enter_context(small_disk(1)), "on a disk of its own").touch()
    except ServiceMissing:
        pass  # a folder is as good for what comes now
    Path(tempfile.mkdtemp(), "of the demonstration").touch()
    print(folder, server._server.pid, flush=True)
    signal.pause()
"""


@pytest.fixture
def run(tmp_path):
    """Begins a run in a common folder of its own; its process, its folder, its server's process."""
    common = Path(tempfile.mkdtemp(dir="/tmp", prefix="swpt-common-"))
    common.chmod(0o755)
    environ = on_the_right_clock() | {"TMPDIR": str(common)}
    environ.pop("PYTEST_DEBUG_TEMPROOT", None)
    begun = []

    def begin():
        process = subprocess.Popen(
            [sys.executable, "-c", RUN], cwd=TOP, env=environ, stdout=subprocess.PIPE, text=True
        )
        begun.append(process)
        assert process.stdout is not None
        folder, _, server = process.stdout.readline().rstrip().rpartition(" ")
        return process, Path(folder), int(server)

    yield begin
    for process in begun:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.communicate()
    assert list(common.iterdir()) == []
    common.rmdir()


def test_the_next_run_deletes_what_a_killed_one_has_left(run):
    """Its folder with everything that its programs have made there, and the servers that still run in it."""
    killed, left, server = run()
    living, kept, _ = run()
    assert left.is_dir()
    killed.kill()
    killed.communicate()
    assert Path(f"/proc/{server}").exists()
    run()
    assert not left.exists()
    wait_until(lambda: not Path(f"/proc/{server}").exists(), "the end of the server")
    assert kept.is_dir()
    assert living.poll() is None


@pytest.mark.parametrize("days", [-365, 365])
def test_a_run_on_a_shifted_clock_takes_no_names_for_old(monkeypatch, days):
    """Else it would drop the databases of everybody else who works on the server."""
    gone = f"swpt_test_{int(leftovers.machine_time()) - 90000}_4194304_1"
    ours = new_name()
    before = leftovers.machine_time()
    monkeypatch.setenv("LD_PRELOAD", "/usr/lib/faketime/libfaketimeMT.so.1")
    monkeypatch.setattr(leftovers, "time", lambda: time.time() + days * 86400)
    assert abs(leftovers.machine_time() - before) < 60
    assert not is_leftover(ours)
    assert not is_leftover(new_name())
    assert is_leftover(gone)


def test_the_name_of_a_living_process_is_no_leftover():
    """However old it seems: perhaps the clock was wrong when it was made."""
    assert not is_leftover(f"swpt_test_1_{os.getpid()}_1")
    assert is_leftover("swpt_test_1_4194304_1")
