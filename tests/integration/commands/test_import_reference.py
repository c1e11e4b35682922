"""`import-reference` as an operator types it: what it says, and how it ends."""

import pytest

from tests.backstage.reference import Reference
from tests.backstage.server import Server


@pytest.fixture
def reference(empty_postgres_url):
    """A database of a reference server, in the middle of the life of a currency."""
    reference = Reference(empty_postgres_url)
    reference.story()
    return reference


def test_a_node_moves_in(server, reference):
    """First what is in the way and lost, then the import, then `verify`; and a second import is refused."""
    code, output, emitted = server.run("import-reference", reference.url, "--check")
    assert (code, output) == (0, "nothing is in the way\n")
    assert emitted.splitlines() == [
        "not taken over: past transfers: the source keeps none, the ledgers here begin with the import",
        "found: 4 accounts, 2 prepared transfers",
    ]
    assert server.rows("SELECT count(*) FROM account") == [(0,)]
    code, output, _ = server.run("import-reference", reference.url, "--operator", "olga")
    assert code == 0
    assert output.startswith("imported at ")
    assert output.endswith(
        ": 4 accounts, 2 prepared transfers; principals add up to 0, locks and numbers agree\n"
    )
    assert server.rows("SELECT operator, action FROM audit") == [("olga", "import-reference")]
    code, output, _ = server.run("verify")
    assert (code, output) == (0, "1 currencies, 4 accounts (the numbers of 4), 0 violations\n")
    code, _, emitted = server.run("import-reference", reference.url)
    assert (code, "an import was finished here at" in emitted) == (1, True)
    assert reference.rows("SELECT count(*) FROM account") == [(4,)]


def test_what_is_in_the_way_is_shown(server, reference):
    """Reasons on lines of their own, exit code 1, and no traceback."""
    reference.execute("UPDATE account SET status_flags = 4 WHERE creditor_id = 1001")
    for words in ((), ("--check",)):
        code, _, emitted = server.run("import-reference", reference.url, *words)
        assert code == 1
        assert "nothing is imported:\n- account 7/1001 has status_flags 4" in emitted


@pytest.mark.parametrize(
    ("words", "environ", "code", "line"),
    [
        (
            ("--commit-period-days", "91"),
            {},
            1,
            "COMMIT_PERIOD=7776000: the reference server has promised 7862400",
        ),
        ((), {"COMMIT_PERIOD": "2592000"}, 1, "has promised 7776000 to its clients"),
        (("--commit-period-days", "30"), {"COMMIT_PERIOD": "2592000"}, 0, ""),
        ((), {"TRANSFER_NOTE_MAX_BYTES": "400"}, 1, "has promised 500 to its clients"),
    ],
)
def test_promises_are_kept(postgres_url, amqp_url, reference, words, environ, code, line):
    """What the reference server has promised to its clients may only grow."""
    server = Server(postgres_url, amqp_url)
    server.execute("DELETE FROM server_record")
    done, _, emitted = server.run("import-reference", reference.url, "--check", *words, **environ)
    assert (done, line in emitted) == (code, True)


def test_an_address_that_is_none_is_wrong_usage(server):
    """It is shown without being repeated: it may hold a password."""
    code, _, emitted = server.run("import-reference", "mysql://u:secret@h/d")
    assert (code, "must be an address like postgresql://" in emitted, "secret" in emitted) == (2, True, False)
