"""The coordinator of the client's README does what is written there."""

import re
import subprocess
import sys

from swpt_accounts.demo.folder import private_folder
from tests.backstage.commands import TOP

README = (TOP / "client" / "README.md").read_text()
EXAMPLES = TOP / "client" / "examples"


def test_the_programs_of_the_readme_are_files_that_are_checked_for_types():
    """What is read is what is run: `make types` checks the files, strictly."""
    programs = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    files = ("coordinator.py", "over_rabbitmq.py", "test_payment.py", "test_orders.py")
    assert programs == [(EXAMPLES / name).read_text() for name in files]
    assert len(programs[0].splitlines()) <= 40


def test_the_coordinator_of_the_readme_runs(tmp_path):
    """It prints what the README says."""
    found = re.search(r"```python\n.*?```\n\n```\n(.*?)```", README, re.DOTALL)
    assert found is not None
    with private_folder() as folder:
        done = subprocess.run(
            [sys.executable, "-W", "error", str(EXAMPLES / "coordinator.py"), str(folder)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=55,
            check=False,
        )
    assert (done.stdout, done.returncode) == (found.group(1), 0), done.stderr
