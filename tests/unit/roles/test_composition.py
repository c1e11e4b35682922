"""Wiring: what a program makes sure of before it touches anything."""

import msgspec
import pytest

from swpt_accounts.runtime.settings import load
from swpt_accounts.transactions.context import make_periods, make_policy
from tests.backstage.builders import DAY

NOWHERE = {
    "POSTGRES_URL": "postgresql://u@127.0.0.1:1/d",
    "FETCH_API_URL": "http://router",
    "INTERNAL_USER": "guest",
}


@pytest.mark.parametrize(
    ("promised_days", "delay_days"),
    [pytest.param(90, 106, id="the commit period that is set"), pytest.param(100, 116, id="a longer one")],
)
def test_deleted_accounts_outlive_every_commit_that_was_promised(promised_days, delay_days):
    """The delay of a purge goes by the commit period that the database remembers (rule G2)."""
    settings = load(NOWHERE)
    policy = msgspec.structs.replace(make_policy(settings), commit_period_seconds=promised_days * 86400)
    assert make_periods(settings, policy).purge_delay == delay_days * DAY
