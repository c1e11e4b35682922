"""The coordinator of the client's README does what is written there."""

import re
import subprocess
import sys

from swpt_accounts.demo.folder import private_folder
from tests.backstage.commands import TOP

README = (TOP / "client" / "README.md").read_text()


def test_the_coordinator_of_the_readme_runs(tmp_path):
    """Forty lines, no more, and what they print."""
    found = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", README, re.DOTALL)
    assert found is not None
    program, said = found.groups()
    assert len(program.splitlines()) <= 40
    file = tmp_path / "coordinator.py"
    file.write_text(program)
    with private_folder() as folder:
        done = subprocess.run(
            [sys.executable, "-W", "error", str(file), str(folder)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=55,
            check=False,
        )
    assert (done.stdout, done.returncode) == (said, 0), done.stderr
