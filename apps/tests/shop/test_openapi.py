"""Thousands of requests made from the OpenAPI document: no mistake of ours, no answer of another form."""

import pytest
from schemathesis import GenerationMode

from tests.backstage.openapi import ask_everything
from tests.backstage.running import Program

from .people import Person, register

pytestmark = [pytest.mark.web, pytest.mark.timeout(900)]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_operation_answers_in_its_form_and_never_by_a_fault_of_ours(
    shop: Program, admin: Person, mode: GenerationMode
) -> None:
    """As nobody, as a seller and as an administrator."""
    seller = register(shop, f"curious-{mode.value}")
    callers = [{}, *({"Authorization": str(one.session.headers["Authorization"])} for one in (seller, admin))]
    assert ask_everything(shop, "/api/openapi.json", mode, callers) > 200
