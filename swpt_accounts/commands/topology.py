"""The commands `topology`: exchanges, queues and bindings (rules.md#the-broker)."""

import click

from .common import command_context, operator_option, order_of

_queue = click.argument("queue")


@click.group(name="topology")
def topology_commands() -> None:
    """Exchanges, queues and bindings.

    `split` does what a split of a shard needs of it.
    """


@topology_commands.command()
@operator_option
def declare(operator: str | None) -> None:
    """Declare all that this shard needs.

    That is a part of what `configure` does.  Nothing that exists is changed.
    """
    from swpt_accounts.operators.operations import topology

    with command_context() as context:
        settings = context.settings
        queue, key = settings.protocol_broker_queue, settings.protocol_broker_queue_routing_key
        topology.declare(
            context.connection, settings.protocol_broker_url, queue, key, order=order_of(operator)
        )
    click.echo(f"declared: the queue {queue} is bound to accounts_in by {key}")


@topology_commands.command()
@_queue
@click.argument("routing_key")
@operator_option
def unbind(queue: str, routing_key: str, operator: str | None) -> None:
    """Let no more messages into QUEUE by the binding ROUTING_KEY."""
    from swpt_accounts.operators.operations import topology

    with command_context() as context:
        url = context.settings.protocol_broker_url
        topology.unbind(context.connection, url, queue, routing_key, order=order_of(operator))
    click.echo(f"no binding any more: {queue} to accounts_in by {routing_key}")


@topology_commands.command(name="delete-queue")
@_queue
@operator_option
def delete_queue(queue: str, operator: str | None) -> None:
    """Delete QUEUE, if it is empty and nobody consumes it.

    Unbind it first: what arrives in the last moment would be lost.
    """
    from swpt_accounts.operators.operations import topology

    with command_context() as context:
        settings = context.settings
        url, in_use = settings.protocol_broker_url, settings.protocol_broker_queue
        topology.delete_queue(context.connection, url, queue, in_use=in_use, order=order_of(operator))
    click.echo(f"deleted: {queue}")
