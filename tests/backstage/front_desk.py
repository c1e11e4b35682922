"""The admin listener without sockets: an application on a stand, with visitors of every role."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from swpt_accounts.broker.errors import QueueMissing
from swpt_accounts.operators.admin.app import create_admin_app
from swpt_accounts.operators.inspection.tokens import OPERATOR, VIEWER, list_tokens
from swpt_accounts.operators.operations.orders import Order
from swpt_accounts.operators.operations.tokens import create_token, revoke_token
from swpt_accounts.runtime.settings import load
from swpt_accounts.wire.moments import Moment
from tests.backstage.builders import NOW

from .stand import Stand

API = "/admin/api/v1"
QUEUES = {"swpt_accounts": 3}


def count_messages(queue: str) -> int:
    """How many messages wait at a broker that has one queue of ours."""
    if queue not in QUEUES:
        raise QueueMissing(f"queue missing: {queue}")
    return QUEUES[queue]


class FrontDesk:
    """An application; `now` may be set by the test."""

    def __init__(self, stand: Stand, **environ: str) -> None:
        self.stand = stand
        self.now: Moment = NOW
        self._settings = load({"POSTGRES_URL": stand.postgres_url} | environ)
        self.app = self.another_app()
        self.tokens = {role: self.make_token(role) for role in (VIEWER, OPERATOR)}

    def another_app(self, **options: Any) -> Flask:
        """One more process on the same database."""
        values: dict[str, Any] = {"now": lambda: self.now, "count_messages": count_messages}
        app = create_admin_app(self._settings, **(values | options))
        app.testing = False
        return app

    def make_token(self, role: str, name: str | None = None, expires_days: int | None = None) -> str:
        """A new token."""
        order = Order("a test", "the tests", lambda: self.now)
        connection = self.stand.connection
        return create_token(connection, name or f"the {role}", role, expires_days=expires_days, order=order)[
            1
        ]

    def revoke(self, name: str) -> None:
        """Revoke the token of this name."""
        connection = self.stand.connection
        [token] = [one for one in list_tokens(connection) if one.name == name]
        revoke_token(connection, token.api_token_id, order=Order("a test", "the tests", lambda: self.now))

    def client(self) -> FlaskClient:
        """A browser without cookies."""
        return self.app.test_client()

    def ask(self, path: str, role: str | None = VIEWER, method: str = "GET", **options: Any) -> TestResponse:
        """Ask as a program with the token of this role, or without any."""
        headers = dict(options.pop("headers", {}))
        if role is not None:
            headers["Authorization"] = f"Bearer {self.tokens[role]}"
        return self.client().open(path, method=method, headers=headers, buffered=True, **options)

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        """What the API answers to a viewer."""
        answer = self.ask(API + path, query_string=query)
        assert answer.status_code == status, answer.text
        return answer.json

    def post(self, path: str, body: Any = None, status: int = 200, role: str | None = OPERATOR) -> Any:
        """What the API answers to an order."""
        answer = self.ask(API + path, role, "POST", json={} if body is None else body)
        assert answer.status_code == status, answer.text
        return answer.json

    def audit(self) -> list[Any]:
        """Who did what to what, as the table says, without the making of tokens."""
        return self.stand.rows(
            "SELECT operator, origin, action, target, detail FROM audit"
            " WHERE action NOT LIKE 'tokens%%' ORDER BY audit_id"
        )


@contextmanager
def front_desk(stand: Stand, **environ: str) -> Iterator[FrontDesk]:
    """A front desk whose connections are closed at the end."""
    desk = FrontDesk(stand, **environ)
    try:
        yield desk
    finally:
        desk.app.extensions["swpt_accounts admin context"].close()


def form_token(page: str) -> str:
    """The mark against forgery in the form of a page."""
    return page.split('name="csrf_token" value="')[1].split('"', maxsplit=1)[0]


def log_in(desk: FrontDesk, role: str, **form: str) -> FlaskClient:
    """A browser with a session of this role."""
    browser = desk.client()
    page = browser.get("/admin/login").text
    form = {"token": desk.tokens[role], "csrf_token": form_token(page)} | form
    answer = browser.post("/admin/login", data=form)
    assert answer.status_code == 303, answer.text
    return browser
