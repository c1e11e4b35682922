"""Nothing here depends on the day on which it is tried, and a run on another day harms no other run."""

import os
import subprocess
import sys

import pytest

from tests.backstage.commands import TOP
from tests.services.errors import ServiceMissing, give_up
from tests.services.faketime import require_faketime, shifted

STORIES = (
    "tests/unit/rules/test_upkeep_purge.py",
    "tests/integration/storage/test_migrations.py::test_partitions_are_made_three_months_ahead",
    "tests/integration/roles/test_chores_once.py::test_only_some_chores_are_done",
    "tests/scenarios/test_configuring.py::test_a_new_account_announces_itself_once",
)
"""One of each kind: rules, a database, commands, a server with its broker."""


@pytest.mark.timeout(900)
def test_a_few_stories_go_well_on_another_day(postgres, rabbitmq):
    """Half a year ahead; `make calendar` runs all of them on several days."""
    try:
        words, environ = shifted(require_faketime(), 190, os.environ)
    except ServiceMissing as error:
        give_up(error)
    own = {"PYTEST_CURRENT_TEST", "TESTS_TODAY"}
    inherited = {name: value for name, value in environ.items() if "XDIST" not in name and name not in own}
    names = {"TEST_POSTGRES_URL": postgres.url, "TEST_BROKER_URL": rabbitmq.url}
    pytest_words = (sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist")
    done = subprocess.run(
        (*words, *pytest_words, *STORIES),
        cwd=TOP,
        env=inherited | names,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
