"""Thousands of requests made from the OpenAPI document: no mistake of ours, no answer of another form."""

import pytest
from schemathesis import GenerationMode

from tests.backstage.openapi import ask_everything
from tests.backstage.running import Program

from .people import Holder, create

pytestmark = [pytest.mark.web, pytest.mark.timeout(900)]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_operation_answers_in_its_form_and_never_by_a_fault_of_ours(
    tap: Program, bank: Holder, mode: GenerationMode
) -> None:
    """As nobody, as a phone and as the operator."""
    phone = create(tap, bank, f"curious-{mode.value}", "5.00")
    callers = [{}, {"api_key": phone.key}, {"api_key": bank.key}]
    assert ask_everything(tap, "/api/v1/openapi.json", mode, callers) > 200
