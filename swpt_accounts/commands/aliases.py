"""The commands of the public reference server, under their names there, where they mean something.

They are hidden, and explained in docs/from-the-reference.md.  Those of a role take its own options; where the
reference server lets options overrule settings (`--url`, `--queue`, `--queue-routing-key`), so do they.
"""

from collections.abc import Iterator
from typing import Final

import click

from swpt_accounts.runtime.errors import OperatorError

from .common import CommandContext, command_context, operator_option, order_of

_QUEUE: Final = click.option("-q", "--queue", help="[default: PROTOCOL_BROKER_QUEUE]")
_URL: Final = click.option("-u", "--url", help="[default: PROTOCOL_BROKER_URL]")
_KEY: Final = click.option("-k", "--queue-routing-key", help="[default: PROTOCOL_BROKER_QUEUE_ROUTING_KEY]")


def aliases(
    web: click.Command, worker: click.Command, chores: click.Command, check_shard: click.Command
) -> Iterator[click.Command]:
    """All of them, made of the commands that they mean."""
    yield _renamed(web, "webserver")
    yield _renamed(worker, "consume_messages")
    yield _renamed(chores, "flush_all")
    yield _renamed(check_shard, "verify_shard_content")
    yield from (subscribe, unsubscribe, delete_queue, await_migrations)


def _renamed(command: click.Command, name: str) -> click.Command:
    return click.Command(
        name,
        callback=command.callback,
        params=command.params,
        help=f"The same as `{command.name}`.\n\n{command.help}",
        hidden=True,
    )


def _broker_url(context: CommandContext, url: str | None) -> str:
    from swpt_accounts.runtime.readers import read_amqp_url

    if url is None:
        return context.settings.protocol_broker_url
    try:
        return read_amqp_url(url)
    except ValueError as error:
        raise click.BadParameter(f"the value of --url {error}") from None


@click.command(hidden=True)
@_URL
@_QUEUE
@_KEY
@operator_option
def subscribe(
    url: str | None, queue: str | None, queue_routing_key: str | None, operator: str | None
) -> None:
    """The same as `topology declare`, for a queue that may be another one than that of the settings."""
    from swpt_accounts.operators.operations import topology

    with command_context() as context:
        name = queue or context.settings.protocol_broker_queue
        key = queue_routing_key or context.settings.protocol_broker_queue_routing_key
        topology.declare(context.connection, _broker_url(context, url), name, key, order=order_of(operator))
    click.echo(f"declared: the queue {name} is bound to accounts_in by {key}")


@click.command(hidden=True)
@_URL
@_QUEUE
@_KEY
@operator_option
def unsubscribe(
    url: str | None, queue: str | None, queue_routing_key: str | None, operator: str | None
) -> None:
    """The same as `topology unbind`, by default for the queue and the binding of the settings."""
    from swpt_accounts.operators.operations import topology

    with command_context() as context:
        name = queue or context.settings.protocol_broker_queue
        key = queue_routing_key or context.settings.protocol_broker_queue_routing_key
        topology.unbind(context.connection, _broker_url(context, url), name, key, order=order_of(operator))
    click.echo(f"no binding any more: {name} to accounts_in by {key}")


@click.command(name="delete_queue", hidden=True)
@_URL
@_QUEUE
@operator_option
def delete_queue(url: str | None, queue: str | None, operator: str | None) -> None:
    """The same as `topology delete-queue`: it says so when the queue is in use, and does not wait."""
    from swpt_accounts.operators.operations import topology

    if queue is None:
        raise OperatorError("name the queue with --queue: that of the settings is never deleted here")
    with command_context() as context:
        in_use = context.settings.protocol_broker_queue
        topology.delete_queue(
            context.connection, _broker_url(context, url), queue, in_use=in_use, order=order_of(operator)
        )
    click.echo(f"deleted: {queue}")


@click.command(name="await_migrations", hidden=True)
def await_migrations() -> None:
    """Wait until `configure` has brought the tables to this version."""
    from swpt_accounts.roles import configure
    from swpt_accounts.runtime import logs, settings

    loaded = settings.load()
    logs.set_up(loaded)
    configure.await_tables(loaded)
    click.echo("the database has the tables of this version")
