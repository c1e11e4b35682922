"""Thousands of requests made from an OpenAPI document: no mistake of ours, no answer of another form."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from .running import Program

_CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]


def ask_everything(
    program: Program,
    document: str,
    mode: GenerationMode,
    callers: Sequence[Mapping[str, str]],
    *,
    but: Collection[str] = (),
    examples: int = 30,
) -> int:
    """Ask each operation, as each of the callers, who are known by their headers; gives how many were asked.

    `mode` says whether what is asked is as the document allows, or not; `but` are ends of paths that are
    left out.  503 and 504 would be faults as well: nothing is away here.
    """
    asked = 0
    for found in schemathesis.openapi.from_url(f"{program.address}{document}").get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if operation.path.endswith(tuple(but)):
            continue

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=examples,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.generate),
        )
        def ask(case: Any) -> None:
            nonlocal asked
            assume(case is not None)
            key = (case.headers or {}).get("Idempotency-Key")
            for caller in callers:
                case.headers = {**({} if key is None else {"Idempotency-Key": key}), **caller}
                answer = case.call(timeout=60)
                assert answer.status_code < 500, answer.text
                case.validate_response(answer, checks=_CHECKS)
                asked += 1

        ask()
    return asked
