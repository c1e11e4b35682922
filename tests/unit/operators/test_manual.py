"""The manual names what the admin API has."""

import re
from pathlib import Path

from swpt_accounts.operators.admin.app import create_admin_app
from swpt_accounts.runtime.settings import load

API = "/admin/api/v1"
MANUAL = (Path(__file__).parents[3] / "docs" / "operators.md").read_text()


def offered():
    """The addresses of the API, with `*` for what differs."""
    app = create_admin_app(load({"POSTGRES_URL": "postgresql://nobody@127.0.0.1:1/nothing"}))
    rules = [str(rule) for rule in app.url_map.iter_rules() if str(rule).startswith(API)]
    return {re.sub(r"<[^>]*>", "*", rule.removeprefix(API)) for rule in rules} - {"/openapi.json"}


def test_the_manual_lists_every_address_of_the_api():
    """The tables of its chapter have all questions and all orders, and nothing else."""
    chapter = MANUAL.partition("\n## Admin API\n")[2].partition("\n## ")[0]
    rows = [row.split("|")[2] for row in re.findall(r"^\|.*\|$", chapter, re.M) if "`/readyz`" not in row]
    named = {re.sub(r"\b[A-Z]+\b", "*", path) for row in rows for path in re.findall(r"`(/[^`]*)`", row)}
    assert named == offered()
