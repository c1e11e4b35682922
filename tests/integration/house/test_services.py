"""The supply of servers for tests: everything is fresh, and everything goes away."""

from contextlib import closing
from urllib.parse import unquote, urlsplit

import pika
import psycopg2

from tests.backstage.schema import is_migrated


def test_a_test_gets_a_migrated_database_of_its_own(postgres_url):
    """The schema is the newest one, and PostgreSQL is not older than we promise."""
    assert is_migrated(postgres_url)
    with closing(psycopg2.connect(postgres_url)) as connection:
        assert connection.server_version >= 150000


def test_databases_are_made_and_dropped(postgres):
    """A database exists between its making and its dropping, with a client connected or not."""
    name = postgres.create_empty_database()
    with closing(psycopg2.connect(postgres.database_url(name))):
        postgres.drop_database(name)
    try:
        psycopg2.connect(postgres.database_url(name))
    except psycopg2.OperationalError as error:
        assert name in str(error)
    else:
        raise AssertionError("the database is still there")


def test_a_test_gets_a_virtual_host_of_its_own(amqp_url, rabbitmqctl):
    """It is empty, and what is declared in it is seen through rabbitmqctl."""
    vhost = unquote(urlsplit(amqp_url).path[1:])
    with closing(pika.BlockingConnection(pika.URLParameters(amqp_url))) as connection:
        connection.channel().queue_declare("something", durable=True)
        assert rabbitmqctl("-q", "list_queues", "-p", vhost, "name", "--no-table-headers").split() == [
            "something"
        ]


def test_virtual_hosts_are_deleted(rabbitmq):
    """A virtual host that was given back is gone after the next clearing."""
    name = rabbitmq.take_vhost()
    assert name in rabbitmq.rabbitmqctl("-q", "list_vhosts", "name", "--no-table-headers").split()
    rabbitmq.give_back_vhost(name)
    rabbitmq.delete_used()
    assert name not in rabbitmq.rabbitmqctl("-q", "list_vhosts", "name", "--no-table-headers").split()


def test_a_killed_postgres_comes_back_with_what_was_committed(restartable_postgres):
    """A power failure of the database loses nothing that was committed."""
    with (
        closing(psycopg2.connect(restartable_postgres.url())) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("CREATE TABLE IF NOT EXISTS kept (id int); INSERT INTO kept VALUES (1)")
    restartable_postgres.kill()
    restartable_postgres.start()
    with closing(psycopg2.connect(restartable_postgres.url())) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM kept")
        assert cursor.fetchone() == (1,)


def test_a_stopped_rabbitmq_comes_back_with_its_durable_queues(restartable_rabbitmq):
    """A restart of the broker at the same address loses no durable message."""
    with closing(pika.BlockingConnection(pika.URLParameters(restartable_rabbitmq.url))) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("kept", durable=True, arguments={"x-queue-type": "quorum"})
        channel.basic_publish("", "kept", b"message")
    restartable_rabbitmq.stop()
    restartable_rabbitmq.start()
    with closing(pika.BlockingConnection(pika.URLParameters(restartable_rabbitmq.url))) as connection:
        *_, body = connection.channel().basic_get("kept", auto_ack=True)
    assert body == b"message"
