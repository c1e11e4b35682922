"""Thousands of requests made from the OpenAPI document: no mistake of ours, no answer of another form."""

import pytest
from schemathesis import GenerationMode

from tests.backstage.openapi import ask_everything
from tests.backstage.running import Program
from tests.backstage.traders import Trader

from .conftest import NewTrader

pytestmark = [pytest.mark.web, pytest.mark.timeout(900)]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_operation_answers_in_its_form_and_never_by_a_fault_of_ours(
    exchange: Program, bank: Trader, new_trader: NewTrader, mode: GenerationMode
) -> None:
    """As nobody, as a trader and as the operator."""
    trader = new_trader(OAK="5.00")
    callers = [{}, {"api_key": trader.key}, {"api_key": bank.key}]
    assert ask_everything(exchange, "/api/v1/openapi.json", mode, callers) > 200
