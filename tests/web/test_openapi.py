"""Thousands of requests made from the OpenAPI document: no mistake of ours, no answer of another form."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from swpt_accounts.operators.admin.app import create_admin_app
from swpt_accounts.runtime.settings import load
from tests.backstage.front_desk import API

pytestmark = [pytest.mark.web, pytest.mark.timeout(600)]

_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
_ROLES = (None, "viewer", "operator")
_METHODS = ("get", "post")


def operations():
    """Method and path of every operation; the application does not need its database for that."""
    app = create_admin_app(load({"POSTGRES_URL": "postgresql://nobody@127.0.0.1:1/nothing"}))
    [api] = app.extensions["flask-smorest"]["apis"].values()
    paths = api["ext_obj"].spec.to_dict()["paths"]
    return [(method, path) for path, found in paths.items() for method in _METHODS if method in found]


@pytest.fixture(scope="module")
def document(desk):
    """The document as a viewer gets it."""
    headers = {"Authorization": f"Bearer {desk.tokens['viewer']}"}
    return schemathesis.openapi.from_wsgi(f"{API}/openapi.json", desk.app, headers=headers)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("method", "path"), operations())
def test_every_answer_is_as_the_document_says(method, path, mode, document, desk):
    """As nobody, as a viewer and as an operator: no 5xx, and every answer has the form that was promised."""

    operation = document[path][method.upper()]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate),
    )
    def ask(case):
        assume(case is not None)
        for role in _ROLES:
            case.headers = {} if role is None else {"Authorization": f"Bearer {desk.tokens[role]}"}
            answer = case.call()
            if role is None:
                assert answer.status_code == 401
            elif role == "viewer" and method != "get":
                assert answer.status_code in (403, 429)
            else:
                assert answer.status_code not in (401, 403)
            case.validate_response(answer, checks=_CHECKS)

    ask()
