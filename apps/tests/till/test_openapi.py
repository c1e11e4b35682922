"""Thousands of requests made from the OpenAPI document: no mistake of ours."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error

from tests.backstage.running import Program

from .people import Administration, Person

pytestmark = [pytest.mark.web, pytest.mark.timeout(1200)]


def test_no_request_is_answered_by_a_mistake_of_ours(till: Program, office: Administration) -> None:
    """Each operation, with what is allowed and what is not: never 5xx."""
    person = Person(till, "Curious", office.admit("Curious")).log_in().rich("5.00")
    headers = {"Authorization": person.session.headers["Authorization"]}
    document = schemathesis.openapi.from_url(f"{till.address}/api/v1/openapi.json")
    asked = 0
    for mode in GenerationMode:
        for found in document.get_all_operations():
            operation = found.ok()  # type: ignore[union-attr]

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(
                max_examples=60,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                phases=(Phase.explicit, Phase.generate),
            )
            def ask(case):
                nonlocal asked
                if case is None:
                    return
                case.headers = dict(headers)
                answer = case.call(timeout=60)
                case.validate_response(answer, checks=[not_a_server_error])
                asked += 1

            ask()
    assert asked > 500
