"""The rules and the code agree: what is cited exists, and a rule is cited by the function that it names.

A docstring or comment cites an id ("rule C1", "P3 to P11") or an anchor (`rules.md` or `protocol.rst`, a
hash, and the anchor).
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Final

import pytest

from tests.backstage import rules
from tests.backstage.rules import PACKAGE, TEXT, TOP, Function

RULES: Final = rules.rules()
IDS: Final = {rule.id for rule in RULES}

_ID: Final = re.compile(r"(?<!%)\b[SVCPFBRKDGO]\d{1,2}\b")
_RANGE: Final = re.compile(r"\b([SVCPFBRKDGO])(\d{1,2}) to \1(\d{1,2})\b")
_ANCHOR: Final = re.compile(r"\b(rules\.md|protocol\.rst)#([\w-]+)")
# As those who search for them write it; the words are apart, so that this file has none of them.
_ELSEWHERE: Final = re.compile(r"(?<![\w-])(?:accounting|wire|protocol)" + r"\.md\b|\bsections? [0-9]")

_EXAMPLE: Final = re.compile(
    r"^\| \[(\w+)\]\(docs/rules\.md#(\w+)\) \|.*\| `(\S+)` `(\S+)` \| `(\S+)` `(\S+)` \|$", re.M
)

FILES: Final = [
    *sorted(PACKAGE.rglob("*.py")),
    *sorted((TOP / "tests").rglob("*.py")),
    *sorted((TOP / "benchmarks").rglob("*.py")),
    *sorted((TOP / "docs").rglob("*.md")),
    *(TOP / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "README.md")),
]


def ids_in(text: str) -> set[str]:
    """The ids that a text cites: `V1`, `P3 to P11`."""
    found = set(_ID.findall(text))
    for letter, first, last in _RANGE.findall(text):
        found.update(f"{letter}{number}" for number in range(int(first), int(last) + 1))
    return found


def words_of(source: str) -> str:
    """The comments and texts of a program, without its code."""
    kinds = (tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING))
    tokens = tokenize.generate_tokens(io.StringIO(dedent(source)).readline)
    return "\n".join(token.string for token in tokens if token.type in kinds)


def definitions(path: Path) -> Iterator[tuple[str, str]]:
    """The functions and classes of a module, and the methods of these, each with its source."""
    source = path.read_text()
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, "\n".join(lines[node.lineno - 1 : node.end_lineno])
            for member in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(member, ast.FunctionDef):
                    yield (
                        f"{node.name}.{member.name}",
                        "\n".join(lines[member.lineno - 1 : member.end_lineno]),
                    )


def with_its_tables(path: Path, name: str) -> str:
    """The source of a test with its parameters, and of the tables that both take their cases from."""
    source = path.read_text()
    module = ast.parse(source)
    [test] = [node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == name]
    used = {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}
    tables = [
        node
        for node in module.body
        if isinstance(node, ast.Assign) and used & {getattr(target, "id", "") for target in node.targets}
    ]
    parts = (ast.get_source_segment(source, node) for node in (*test.decorator_list, test, *tables))
    return "\n".join(part for part in parts if part is not None)


def anchors_of_protocol() -> set[str]:
    """The anchors of protocol.rst: those of its titles."""
    text = (TOP / "protocol.rst").read_text(encoding="utf-8")
    return {rules.slug(title) for title, _ in re.findall(r"^(\S.*)\n([=~-])\2{2,}$", text, re.M)}


ANCHORS: Final = {"rules.md": set(rules.anchors()), "protocol.rst": anchors_of_protocol()}
OBEYED: Final = [(rule.id, function) for rule in RULES for function in rule.functions]
NAMED: Final = sorted(set(rules.functions_in(TEXT)))
TEXTS: Final = {str(path.relative_to(TOP)): path.read_text() for path in FILES}
CITED: Final = {name: ids_in(words_of(text)) for name, text in TEXTS.items() if name.endswith(".py")}


def test_there_are_rules_of_all_letters():
    """The tests below would pass for anything if the rules were not found."""
    numbers = {letter: sum(rule.id[0] == letter for rule in RULES) for letter in "SVCPFBRKDGO"}
    assert list(numbers.values()) == [10, 16, 5, 12, 8, 5, 7, 5, 7, 4, 10]
    assert len(RULES) == len(IDS)


def test_every_anchor_is_there_once():
    """An anchor that stands twice leads to the first place only."""
    found = rules.anchors()
    assert sorted(found) == sorted(set(found))


def test_a_rule_has_the_anchor_of_its_name():
    """Rule C1 is found under `#c1`."""
    assert {rule.id.lower() for rule in RULES} <= ANCHORS["rules.md"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_says_where_it_is_obeyed(rule):
    """It names a function, or says that it waits for several shards."""
    assert bool(rule.functions) == rule.is_there


def test_every_id_that_is_cited_is_a_rule():
    """Whoever reads an id in a docstring or comment finds it in docs/rules.md."""
    assert {name: ids - IDS for name, ids in CITED.items() if ids - IDS} == {}


def test_every_anchor_that_is_cited_exists():
    """A reference leads to a title, a rule, a behaviour or a choice."""
    cited = [(name, *cited) for name, text in TEXTS.items() for cited in _ANCHOR.findall(text)]
    assert len(cited) > 200
    assert [one for one in cited if one[2] not in ANCHORS[one[1]]] == []


def test_nothing_outside_of_the_project_is_cited():
    """Who picks the project up has no other document than those in it."""
    assert {name: found for name, text in TEXTS.items() if (found := _ELSEWHERE.findall(text))} == {}


@pytest.mark.parametrize("function", NAMED, ids=" ".join)
def test_every_function_that_the_rules_name_exists(function):
    """The document names a file below the package, and a function or class in it."""
    assert function.name in dict(definitions(PACKAGE / function.file))


@pytest.mark.parametrize("file", sorted(set(re.findall(r"`([\w/]+\.py)`", TEXT))))
def test_every_file_that_the_rules_name_exists(file):
    """Files stand below the package."""
    assert (PACKAGE / file).is_file()


@pytest.mark.parametrize(
    ("rule", "function"), OBEYED, ids=[f"{rule}-{function.name}" for rule, function in OBEYED]
)
def test_a_rule_is_cited_by_the_function_that_obeys_it(rule: str, function: Function):
    """The way back: whoever searches the package for an id finds the function that the rule names."""
    source = dict(definitions(PACKAGE / function.file))[function.name]
    assert rule in ids_in(words_of(source)), f"{function.name} in {function.file} does not say {rule}"


@pytest.mark.parametrize(
    ("rule", "deed"),
    [
        ("S4", "last_change_seqnum=next_number("),
        ("S5", "last_change_ts=max("),
        ("V8", "last_change_ts=max("),
        ("V8", '"last_interest_rate_change_ts"] = '),
    ],
)
def test_whoever_does_it_is_named_by_its_rule(rule, deed):
    """A step is numbered, and its moment moves, nowhere else than where the rule says."""
    doers = {
        Function(f"rules/{path.name}", name)
        for path in (PACKAGE / "rules").glob("*.py")
        for name, source in definitions(path)
        if deed in source
    }
    assert doers
    assert doers <= {function for one, function in OBEYED if one == rule}


def test_every_rule_is_cited_by_a_test():
    """The second way from an id, to what proves it: a test cites it as well."""
    this = str(Path(__file__).relative_to(TOP))
    cited = set().union(*(ids for name, ids in CITED.items() if name.startswith("tests/") and name != this))
    assert sorted(rule.id for rule in RULES if rule.is_there and rule.id not in cited) == []


def test_the_examples_for_newcomers_are_right():
    """CONTRIBUTING.md goes from three ids to their functions and their tests, which exist and cite them."""
    rows = _EXAMPLE.findall(TEXTS["CONTRIBUTING.md"])
    assert len(rows) == 3
    for rule, anchor, file, name, test_file, test_name in rows:
        assert anchor == rule.lower()
        assert (rule, Function(file.removeprefix("swpt_accounts/"), name)) in OBEYED
        assert rule in ids_in(words_of(with_its_tables(TOP / test_file, test_name)))


def test_the_reading_of_ids_is_right():
    """Ranges count, codes of linters and numbers of other things do not."""
    assert ids_in("rules C1 and P3 to P5; noqa: S608, x86, V1.5") == {"C1", "P3", "P4", "P5", "V1"}
    assert "C1" not in ids_in(words_of("C1 = 1"))
