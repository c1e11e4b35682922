"""Thousands of requests made from the OpenAPI document: no mistake of ours, no answer of another form."""

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, assume, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from wallets.program import SAMPLE_PASSWORD

pytestmark = [pytest.mark.web, pytest.mark.timeout(900)]

_CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]
_BASE = "/api/v1"


def _token(app: Flask, name: str) -> str:
    with app.test_client() as client:
        body = {"email": f"{name}@example.com", "password": SAMPLE_PASSWORD}
        answer = client.post(f"{_BASE}/accounts/login-web-token/", json=body)
        assert answer.status_code == 200, answer.text
        token: str = answer.get_json()["token"]
        return token


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_operation_answers_in_its_form_and_never_by_a_fault_of_ours(app: Flask, mode):
    """As nobody, as a client and as staff.  503 and 504 would be faults as well: nothing is away here."""
    document = schemathesis.openapi.from_wsgi(f"{_BASE}/openapi.json", app)
    tokens = [None, _token(app, "ada"), _token(app, "staff")]
    count = 0
    for found in document.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if operation.path.endswith("/close/"):
            continue  # it would close the wallets of those who ask

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.generate),
        )
        def ask(case) -> None:
            assume(case is not None)
            for number, token in enumerate(tokens):
                key = (case.headers or {}).get("Idempotency-Key")
                case.headers = {} if key is None else {"Idempotency-Key": key}
                if token is not None:
                    case.headers["Authorization"] = f"JWT {token}"
                answer = case.call()
                assert answer.status_code < 500, answer.text
                case.validate_response(answer, checks=_CHECKS)
                assert number or answer.status_code != 201 or "registration" in case.path

        ask()
        count += 1
    assert count >= 10
