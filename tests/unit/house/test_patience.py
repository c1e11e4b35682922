"""A test that takes too long says in a few lines where it stands."""

import subprocess
import sys
from pathlib import Path

from tests.services.leftovers import on_the_right_clock

TOP = Path(__file__).parents[3]
HANGS = """
import queue
import threading

from tests.backstage.waiting import wait_until


def test_it_hangs():
    stop = threading.Event()
    for number in range(20):
        threading.Thread(target=stop.wait, name=f"foreign {number}", daemon=True).start()
    ours = threading.Thread(target=lambda: wait_until(stop.is_set), name="ours", daemon=True)
    ours.start()
    queue.Queue().get()
"""


def test_a_timeout_shows_the_test_and_our_threads_only(tmp_path):
    """Twenty threads of libraries are no answer to the question where it stands."""
    (tmp_path / "test_hanging.py").write_text(HANGS)
    sample = str(tmp_path / "test_hanging.py")
    settings = ["-c", str(TOP / "pyproject.toml"), "--noconftest", "--timeout=1"]
    plugins = ["-p", "tests.backstage.patience", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *settings, *plugins, sample],
        cwd=TOP,
        env=on_the_right_clock(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Timeout: it takes longer than 1 s." in done.stdout
    assert "queue.Queue().get()" in done.stdout
    assert "thread 'ours' is at tests/backstage/waiting.py:" in done.stdout
    assert "thread 'foreign" not in done.stdout
    assert len((done.stdout + done.stderr).splitlines()) < 120
