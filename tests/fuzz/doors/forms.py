"""The forms of the console, as an operator sends them, with odd things in their fields."""

from collections.abc import Sequence
from html.parser import HTMLParser
from random import Random
from typing import NamedTuple
from urllib.parse import quote_from_bytes

from swpt_accounts.operators.inspection.tokens import OPERATOR
from tests.backstage.builders import ALICE, DEBTOR
from tests.backstage.front_desk import FrontDesk, form_token

from .door import Fields
from .listening import Answer, ask
from .odd_texts import text

_ACCOUNT = f"/admin/debtors/{DEBTOR}/accounts/{ALICE}"
_PAGES = [
    "/admin/login",
    "/admin/",
    "/admin/audit",
    "/admin/chores",
    "/admin/dead-letters",
    "/admin/dead-letters/1",
    "/admin/dead-letters/2",
    "/admin/debtors",
    f"/admin/debtors/{DEBTOR}",
    _ACCOUNT,
    "/admin/outbox",
    "/admin/prepared-transfers",
    f"{_ACCOUNT}/prepared-transfers",
    "/admin/refusals",
    "/admin/search",
    "/admin/waiting-requests",
]
_FORM = ("Content-Type", "application/x-www-form-urlencoded")
_PAGE = ("Accept", "text/html")


class Form(NamedTuple):
    """A form of a page: where it leads, and the names of its fields."""

    method: str
    path: str
    names: tuple[str, ...]


class Forms:
    """All forms that the pages of the console show."""

    name = "forms"
    code: tuple[str, ...] = (
        "swpt_accounts/operators/admin/console/*",
        "swpt_accounts/operators/admin/entrance.py",
    )

    def __init__(self, desk: FrontDesk) -> None:
        self._desk = desk
        self._cookie = ""
        self._mark = ""
        self._forms: list[Form] = []

    def answer(
        self, *, method: str, path: str, fields: Sequence[tuple[str, str]], has_mark: bool = True
    ) -> str:
        """The status of the answer; the operator has logged in, and sends the mark against forgery."""
        if not self._cookie or "text/html" not in self._ask("GET", "/admin/audit").header("content-type"):
            self._enter()
        mark = [("csrf_token", self._mark)] if has_mark and method == "POST" else []
        pairs = [(_quoted(name), _quoted(value)) for name, value in [*fields, *mark]]
        said = b"&".join(name + b"=" + value for name, value in pairs)
        answered = self._ask(method, path, said)
        if answered.status == 303:
            shown = ask(self._desk.app, "GET", b"/admin/", headers=[_PAGE, ("Cookie", self._cookie)])
            assert shown.status in (200, 303), "the page that a form leads to"
        if path in ("/admin/login", "/admin/logout"):
            self._cookie = ""
        return str(answered.status)

    def seeds(self) -> list[Fields]:
        """Each form, empty."""
        return [{"method": form.method, "path": form.path, "fields": []} for form in self.forms()]

    def changed(self, fields: Fields, random: Random) -> Fields:
        """Any form, with some of its fields, once or twice."""
        form = random.choice(self.forms())
        names = [*form.names, *form.names, "ids", "note", "x"]
        count = random.randrange(len(form.names) + 3)
        return {
            "method": form.method,
            "path": form.path,
            "fields": [(random.choice(names), text(random)) for _ in range(count)],
            "has_mark": random.random() < 0.9,
        }

    def forms(self) -> list[Form]:
        """What the pages show to an operator, each form once."""
        if self._forms:
            return self._forms
        self._enter()
        found: dict[Form, None] = {}
        for page in _PAGES:
            reader = _FormReader(page)
            reader.feed(self._ask("GET", page).body.decode())
            found |= dict.fromkeys(reader.forms)
        self._forms = list(found)
        return self._forms

    def _enter(self) -> None:
        page = ask(self._desk.app, "GET", b"/admin/login", headers=[_PAGE])
        self._cookie = page.header("set-cookie").split(";")[0]
        text = f"token={self._desk.tokens[OPERATOR]}&csrf_token={form_token(page.body.decode())}"
        entered = self._ask("POST", "/admin/login", text.encode())
        assert entered.status == 303, entered
        self._mark = form_token(self._ask("GET", "/admin/audit").body.decode())

    def _ask(self, method: str, path: str, said: bytes = b"") -> Answer:
        headers = [_PAGE, ("Cookie", self._cookie)]
        where = path.encode()
        if method == "GET":
            answer = ask(self._desk.app, "GET", where, said, headers)
        else:
            answer = ask(self._desk.app, method, where, b"", [*headers, _FORM], said)
        if cookie := answer.header("set-cookie"):
            self._cookie = cookie.split(";")[0]
        return answer


class _FormReader(HTMLParser):
    """Finds the forms of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._page = page

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """A form, a field of it, or a button that leads elsewhere."""
        given = dict(attributes)
        if tag == "form":
            method = (given.get("method") or "get").upper()
            self.forms.append(Form(method, given.get("action") or self._page, ()))
        elif tag in ("input", "select", "textarea", "button") and self.forms:
            form = self.forms[-1]
            if (name := given.get("name")) and name != "csrf_token" and name not in form.names:
                form = self.forms[-1] = form._replace(names=(*form.names, name))
            if (path := given.get("formaction")) and path != form.path:
                self.forms.insert(0, form._replace(path=path))


def _quoted(text: str) -> bytes:
    return quote_from_bytes(text.encode(errors="surrogatepass")).encode()
