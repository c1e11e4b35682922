"""Dashboard, alert rules and document name only numbers that exist, and the fixed names all do."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Metric

from swpt_accounts.operators.admin.exposition import PREFIX
from swpt_accounts.operators.admin.manual import rendered
from swpt_accounts.operators.inspection import gauges
from swpt_accounts.runtime import metrics
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.runtime.variables import variables

TOP = Path(__file__).parents[3]
RULES = yaml.safe_load((TOP / "deploy" / "prometheus-alerts.yml").read_text())
SNIPPET = yaml.safe_load((TOP / "deploy" / "prometheus.yml").read_text())
DASHBOARD = json.loads((TOP / "deploy" / "grafana-dashboard.json").read_text())

# rules.md#numbers-for-monitoring.
FIXED = {
    "messages_consumed_total": {"type"},
    "messages_ignored_total": {"type", "rule"},
    "rejections_total": {"code"},
    "dead_letters_total": {"reason"},
    "messages_published_total": {"type"},
    "outbox_returned_total": {"type"},
    "outbox_nacked_total": {"type"},
    "outbox_rows": {"type"},
    "outbox_oldest_seconds": {"type"},
    "principal_overflow_total": set(),
    "debt_forgiven_total": set(),
    "future_config_total": set(),
    "account_updates_pending": set(),
    "prepared_transfers": set(),
}

COUNTERS = [one for one in vars(metrics).values() if isinstance(one, Counter)]
PROMETHEUS_OWN = {"up"}

WORDS = re.compile(
    r"\b(?:sum|max|min|abs|avg|count|rate|increase|deriv|histogram_quantile|vector|label_values|by|le|and|or|on"
    r"|group_left)\b"
)


def counted() -> dict[str, Metric]:
    """What processes count, by the names that Prometheus sees."""
    found = {}
    for metric in metrics.REGISTRY.collect():
        found[f"{metric.name}_total" if metric.type == "counter" else metric.name] = metric
    return found


def all_numbers() -> dict[str, str]:
    """The help texts of all numbers that /metrics can show."""
    return {name: metric.documentation for name, metric in counted().items()} | {
        name: gauge.meaning for name, gauge in gauges.GAUGES.items()
    }


def names() -> set[str]:
    """The names of all series that /metrics can show."""
    found = set(all_numbers())
    for name, metric in counted().items():
        if metric.type == "histogram":
            found |= {f"{name}_{suffix}" for suffix in ("bucket", "sum", "count")}
    return found


def offered() -> set[str]:
    """The names that rules and panels use: those with our prefix."""
    return {PREFIX + name for name in names()}


def named_in(expression: str) -> set[str]:
    """The names of series in an expression of PromQL."""
    bare = re.sub(r'"[^"]*"', "", expression)
    # Labels stand in braces or behind `by`; ranges in brackets.
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\b(?:by|on|group_left)\s*\([^)]*\)|\$\w+", " ", bare)
    return set(re.findall(r"\b[a-z_][a-z0-9_]*\b", WORDS.sub(" ", bare)))


def labels_in(expression: str) -> set[str]:
    """The labels that an expression of PromQL chooses or groups by."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    chosen = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", bare)
    grouped = [
        name for group in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", bare) for name in re.findall(r"\w+", group)
    ]
    return {*chosen, *grouped}


def rules() -> list[dict[str, Any]]:
    """All alert rules."""
    return [rule for group in RULES["groups"] for rule in group["rules"]]


def expressions() -> dict[str, str]:
    """All expressions of the dashboard and of the rules, by where they stand."""
    found = {f"alert {rule['alert']}": rule["expr"] for rule in rules()}
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            found[f"panel {panel['title']} {target['refId']}"] = target["expr"]
    return found


EXPRESSIONS = expressions()


@pytest.mark.parametrize("name", FIXED)
def test_a_fixed_name_exists_with_its_labels(name):
    """Alarms that are written for any server of this protocol work with this one."""
    if name in gauges.GAUGES:
        label = gauges.GAUGES[name].label
        assert FIXED[name] == ({label} if label else set())
    else:
        [counter] = [one for one in COUNTERS if f"{one._name}_total" == name]
        assert set(counter._labelnames) == FIXED[name]


def test_every_number_says_what_it_is():
    """The help text of a number is a sentence."""
    for name, documented in all_numbers().items():
        assert documented.endswith("."), name


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_an_expression_names_only_numbers_that_exist(where):
    """A typing error in a rule or a panel would never be noticed: no data is no alert."""
    named = named_in(EXPRESSIONS[where])
    assert named
    assert named <= offered() | PROMETHEUS_OWN


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_an_expression_uses_only_labels_that_exist(where):
    """The labels of rules and panels are those of the numbers, and those that Prometheus adds."""
    known = {
        "job",
        "instance",
        "le",
        "type",
        "rule",
        "code",
        "reason",
        "chore",
        "role",
        "age",
        "debtor_id",
        "work",
        "realm",
    }
    assert labels_in(EXPRESSIONS[where]) <= known


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_an_expression_is_balanced(where):
    """Brackets and quotes fit, as far as one can tell without Prometheus."""
    expression = re.sub(r'"[^"]*"', "", EXPRESSIONS[where])
    assert '"' not in expression
    for opening, closing in ("()", "[]", "{}"):
        assert expression.count(opening) == expression.count(closing)


def test_the_reading_of_expressions_is_right():
    """The tests above would pass for anything if the names were not found."""
    expression = 'sum by (le) (rate(no_such_total{job=~"$job",type="x y"}[$__rate_interval])) > 2 or up == 0'
    assert named_in(expression) == {"no_such_total", "up"}
    assert labels_in(expression) == {"le", "job", "type"}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_what_to_do(rule):
    """Whoever is woken up reads a sentence on what is wrong, and one on what to do."""
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert set(rule["annotations"]) == {"summary", "action", "runbook_url"}
    assert all(rule["annotations"][name].endswith((".", "?")) for name in ("summary", "action"))
    assert re.fullmatch(r"\d+[smhd]", rule.get("for", "1m"))


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_leads_to_its_runbook(rule):
    """One click: to a section of the manual, at the server that the alert is about."""
    address, _, fragment = rule["annotations"]["runbook_url"].partition("#")
    assert address == "http://{{ $labels.instance }}/admin/manual/runbooks"
    assert f'id="{fragment}"' in rendered("runbooks")
    assert fragment == rule["alert"].lower()
    # The server is known only if the sum leaves its label alone, and it is one of ours only if we say so.
    assert 'job="swpt_accounts"' in rule["expr"]
    # What is true of all servers together is told of each of them.
    if "group_left ()" in rule["expr"]:
        return
    for group in re.findall(r"\b(?:sum|max)\b(?: by \(([^)]*)\))?", rule["expr"]):
        assert "instance" in group


def test_every_line_with_alarm_is_in_the_manual():
    """By its first words that are always the same."""
    told = " ".join((TOP / "docs" / "running" / "runbooks.md").read_text().split())
    found = {text for path in (TOP / "swpt_accounts").rglob("*.py") for text in alarms_in(path)}
    assert len(found) > 12
    for text in found:
        parts = [part.strip(" .,:;") for part in re.split(r"%[-.\d]*[a-z]", text)]
        # `ALARM: %s` alone is said of the things that are alarms by their class.
        words = next((part for part in parts if len(part) >= 8), None)
        assert words is None or words[:24] in told, text


LOGGED = re.compile(r"`(ALARM: [^`]+)`|\b[Ll]ines? `([^`]+)`")
# What differs from line to line: `%s` and `{}` in the code, `…`, numbers, NAME and N in the manual.
DIFFERS_IN_CODE = re.compile(r"%[-.\d]*[a-z]|%r")
DIFFERS_IN_MANUAL = re.compile(r"…|\b(?:\d+|N|D|C|NAME|WORK)\b")


def test_every_line_that_the_manual_names_is_written_by_somebody():
    """Whoever looks for a line of the log in the manual's words finds it."""
    manual = (TOP / "docs" / "running" / "runbooks.md").read_text()
    named = {"".join(found.groups(default="")) for found in LOGGED.finditer(manual)}
    written = {text for path in (TOP / "swpt_accounts").rglob("*.py") for text in texts_in(path)}
    # The rules raise an alarm by a few words, to which the account is added.
    written |= {f"{alarm} on account" for alarm in alarms_in(TOP / "swpt_accounts" / "rules" / "book.py")}
    assert len(named) > 25
    for text in named:
        words = DIFFERS_IN_MANUAL.sub("*", text).removeprefix("ALARM: ").strip(" *.")
        assert any(words in one for one in written), text


def texts_in(path: Path) -> set[str]:
    """All texts of a module, with `*` for what differs from time to time."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(DIFFERS_IN_CODE.sub("*", node.value))
        if isinstance(node, ast.JoinedStr):
            found.add(
                "".join(
                    str(getattr(part, "value", "*")) if isinstance(part, ast.Constant) else "*"
                    for part in node.values
                )
            )
    return found


def alarms_in(path: Path) -> set[str]:
    """The texts of a module that begin with ALARM, or are an Alarm; without that word."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and str(node.value).startswith("ALARM: "):
            found.add(str(node.value).removeprefix("ALARM: "))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Alarm":
            found.add(str(getattr(node.args[0], "value", "")))
    return found


def test_alerts_know_the_reasons_and_chores_that_there_are():
    """What an alert picks by a label exists."""
    from swpt_accounts.roles.chores.loop import CHORES

    known = {
        *metrics.DEAD_LETTER_REASONS,
        *metrics.RETRY_REASONS,
        *metrics.EVENT_TYPES,
        *(chore.name for chore in CHORES),
        *("worker", "chores", "web"),
        *(age for age, _ in gauges.AGES_DAYS),
        "swpt_accounts",
    }
    for expression in EXPRESSIONS.values():
        for content in re.findall(r'=~?\s*"([^"$]+)"', expression):
            assert set(content.split("|")) <= known


def test_the_snippet_fits_the_settings():
    """Prometheus asks at the admin listener, and reads the rules that lie beside."""
    assert all((TOP / "deploy" / name).is_file() for name in SNIPPET["rule_files"])
    [job] = SNIPPET["scrape_configs"]
    known = variables(Settings)
    assert job["static_configs"][0]["targets"] == [
        f"{known['admin_bind'].default}:{known['admin_port'].default}"
    ]
    assert job["metrics_path"] == "/metrics"
    assert f'job="{job["job_name"]}"' in next(r["expr"] for r in rules() if r["alert"] == "ServerIsDown")


def test_the_dashboard_is_in_order():
    """Panels have numbers and places of their own, and use the data source that is chosen above."""
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"


def test_the_document_lists_every_number():
    """docs/operators.md has each number, and no others; alerts say themselves what to do."""
    text = (TOP / "docs" / "operators.md").read_text()
    chapter = text.partition("\n## Metrics and alerts\n")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `(\w+)(?:\{[\w,]+\})?` \|", chapter, re.M))
    assert documented == set(all_numbers())
