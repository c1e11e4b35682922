"""From an error to the problem document that tells it."""

import json
from typing import Any

import pytest
from flask import Flask
from werkzeug.exceptions import HTTPException, NotFound, UnprocessableEntity

from house.database import InDoubt
from house.problems import MEDIA_TYPE, Problem, set_page_maker, set_up
from swpt_client.errors import StoreAway


def invalid(messages: dict[str, Any]) -> HTTPException:
    """What webargs raises for fields that are wrong."""
    error = UnprocessableEntity()
    error.data = {"messages": messages}  # type: ignore[attr-defined]
    return error


CASES: list[tuple[str, Exception, int, dict[str, Any]]] = [
    ("a code", Problem("NOT_FOUND"), 404, {"code": "NOT_FOUND", "detail": "There is no such thing."}),
    ("words of its own", Problem("TOO_LATE", "Closed."), 409, {"code": "TOO_LATE", "detail": "Closed."}),
    ("members", Problem("KEY_CONFLICT", key="k"), 409, {"key": "k"}),
    ("a code of the application", Problem("ODD"), 418, {"code": "ODD", "detail": "How odd."}),
    (
        "wrong fields",
        invalid({"json": {"price": ["Too small.", "Odd."], "lines": {"0": {"name": ["Missing."]}}}}),
        422,
        {
            "code": "INVALID_FIELDS",
            "fields": {"price": "Too small. Odd.", "lines.0.name": "Missing."},
            "detail": "price: Too small. Odd. lines.0.name: Missing.",
        },
    ),
    ("an error of HTTP", NotFound("Nothing here."), 404, {"code": "NOT_FOUND", "detail": "Nothing here."}),
    ("no database", StoreAway("no"), 503, {"code": "SERVER_AWAY"}),
    ("a commit without an answer", InDoubt("lost"), 504, {"code": "IN_DOUBT"}),
    ("a bug", ZeroDivisionError("hush"), 500, {"code": "OUR_MISTAKE"}),
]


def answer(error: Exception, pages: Any = None) -> Any:
    """What an application answers when this goes wrong."""
    app = Flask("a test")
    set_up(app, codes={"ODD": (418, "How odd.")})
    if pages is not None:
        set_page_maker(app, pages)

    @app.get("/")
    def fail() -> str:
        raise error

    return app.test_client().get("/")


@pytest.mark.parametrize(
    ("error", "status", "members"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_every_error_becomes_a_problem_document(
    error: Exception, status: int, members: dict[str, Any]
) -> None:
    """With its status, a code for programs and a sentence for people, and nothing that a bug has said."""
    response = answer(error)
    assert (response.status_code, response.content_type) == (status, MEDIA_TYPE)
    body = json.loads(response.data)
    assert body["status"] == status
    assert body | members == body
    assert "hush" not in response.text


@pytest.mark.parametrize(
    ("code", "seconds"), [("TOO_MANY_TRIES", "60"), ("SERVER_AWAY", "2"), ("FORGED", None)]
)
def test_who_may_try_again_reads_when(code: str, seconds: str | None) -> None:
    """Only where trying again helps."""
    assert answer(Problem(code)).headers.get("Retry-After") == seconds


def test_a_method_that_is_refused_names_those_that_are_not() -> None:
    """As HTTP wants it."""
    app = Flask("a test")
    set_up(app, codes={})
    app.add_url_rule("/", view_func=lambda: "")
    response = app.test_client().post("/")
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


def test_people_get_a_page_and_programs_the_document() -> None:
    """The maker of pages says which of both it is."""
    page = answer(Problem("NOT_FOUND"), lambda status, code, detail: f"<p>{status} {code}: {detail}")
    assert (page.status_code, page.content_type) == (404, "text/html; charset=utf-8")
    assert page.text == "<p>404 NOT_FOUND: There is no such thing."
    assert answer(Problem("NOT_FOUND"), lambda *_: None).content_type == MEDIA_TYPE
