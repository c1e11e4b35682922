"""The commands of the reference server under their old names."""

import pika
from click.testing import CliRunner

from swpt_accounts.commands.cli import program
from swpt_accounts.storage import connections, migrations
from tests.backstage.commands import SERVER, running, said

ROLES = {
    "webserver": "web",
    "consume_messages": "worker",
    "flush_all": "chores",
    "verify_shard_content": "check-shard",
}
OTHERS = ("subscribe", "unsubscribe", "delete_queue", "await_migrations")


def test_an_alias_does_what_the_command_does():
    """The same function with the same options, and it says so; none of them is in the list of commands."""
    for alias, name in ROLES.items():
        assert program.commands[alias].callback is program.commands[name].callback
        assert program.commands[alias].params == program.commands[name].params
        assert f"The same as `{name}`." in CliRunner().invoke(program, [alias, "--help"]).output
    shown = CliRunner().invoke(program, ["--help"]).output.split()
    assert not {*ROLES, *OTHERS} & set(shown)


def test_a_queue_is_subscribed_unsubscribed_and_deleted(server):
    """The options overrule the settings, what is done is shown and in the audit, and it can be repeated."""
    queue = ("-q", "swpt_accounts.old")
    assert server.run("subscribe", *queue, "-k", "1.#")[:2] == (
        0,
        "declared: the queue swpt_accounts.old is bound to accounts_in by 1.#\n",
    )
    with pika.BlockingConnection(pika.URLParameters(server.amqp_url)) as connection:
        connection.channel().queue_declare("swpt_accounts.old", passive=True)
    unbound = "no binding any more: swpt_accounts.old to accounts_in by 1.#\n"
    assert server.run("unsubscribe", *queue, "-k", "1.#", "-u", server.amqp_url)[:2] == (0, unbound)
    code, _, errors = server.run("delete_queue", "-q", "swpt_accounts")
    assert (code, "PROTOCOL_BROKER_QUEUE names" in errors) == (1, True)
    assert server.run("delete_queue", *queue)[:2] == (0, "deleted: swpt_accounts.old\n")
    assert server.rows("SELECT action FROM audit ORDER BY audit_id") == [
        ("topology declare",),
        ("topology unbind",),
        ("topology delete-queue",),
    ]


def test_a_url_that_is_none_is_refused(server):
    """Before anything is asked of a broker."""
    code, _, errors = server.run("subscribe", "-u", "http://h")
    assert (code, "must be an address like amqp://" in errors) == (2, True)
    code, _, errors = server.run("delete_queue")
    assert (code, "--queue" in errors) == (1, True)


def test_migrations_are_awaited(empty_postgres_url):
    """It ends when somebody has made the tables, and not before."""
    environ = {"POSTGRES_URL": empty_postgres_url, "LOG_LEVEL": "debug"}
    with running((*SERVER, "await_migrations"), environ) as command:
        command.wait_for("no tables of this version yet")
        migrations.upgrade(empty_postgres_url)
        assert command.wait() == 0


def test_tables_of_another_version_are_not_waited_for(postgres_url):
    """Such as those of the reference server, if its database is named by mistake."""
    with connections.session(postgres_url, "a test") as connection, connection, connection.cursor() as cursor:
        cursor.execute("UPDATE alembic_version SET version_num = '8d2bbf0ac2a3'")
    code, lines = said((*SERVER, "await_migrations"), {"POSTGRES_URL": postgres_url})
    assert code == 1
    assert "has tables of another version" in lines[-1]
