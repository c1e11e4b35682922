"""Whose fault an error is: with real errors of the driver, as it raises them."""

import signal
from contextlib import closing

import psycopg2
import pytest

from swpt_accounts.commands.cli import _is_outage
from swpt_accounts.storage import connections
from swpt_accounts.storage.faults import Fault, fault_of


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGINT, signal.SIGKILL])
def test_a_database_that_stops_is_away(restartable_postgres, number):
    """However it was stopped, and so whatever class of error the driver has for it."""
    session = connections.connect(restartable_postgres.url(), "a test")
    process = restartable_postgres._server
    try:
        process.send_signal(number)
        process.wait(60)
        with closing(session), pytest.raises(psycopg2.Error) as caught, session.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        restartable_postgres.kill()
        restartable_postgres.start()
    assert fault_of(caught.value) is Fault.OUTAGE, repr(caught.value)
    assert _is_outage(caught.value), "a command needs no traceback for it"
