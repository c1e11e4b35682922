"""Scenarios in which the broker dies, takes nothing, or loses the server's queue."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.backstage.server import QUEUE, vhost_of
from tests.services.rabbitmq_node import RabbitmqNode

from .playing import Fault, Scenario
from .scene import Scene
from .stages import usual


def broker_of(scene: Scene) -> RabbitmqNode:
    """Ours."""
    assert scene.site is not None, "who breaks the broker has one of his own"
    return scene.site.broker


@contextmanager
def killed(scene: Scene) -> Iterator[None]:
    """As by a power failure."""
    broker_of(scene).kill()
    yield
    broker_of(scene).start()


def steered(begin: tuple[str, ...], end: tuple[str, ...]) -> Fault:
    """One command of `rabbitmqctl`, and another one."""

    @contextmanager
    def fault(scene: Scene) -> Iterator[None]:
        broker_of(scene).rabbitmqctl(*begin)
        yield
        broker_of(scene).rabbitmqctl(*end)

    return fault


@contextmanager
def connections_closed(scene: Scene) -> Iterator[None]:
    """Of the server and of the customers."""
    vhost = vhost_of(scene.server.amqp_url) or "/"
    broker_of(scene).rabbitmqctl("close_all_connections", "-p", vhost, "chaos")
    yield


@contextmanager
def queue_deleted(scene: Scene) -> Iterator[None]:
    """With all that was in it; an operator makes it again."""
    vhost = vhost_of(scene.server.amqp_url) or "/"
    broker_of(scene).rabbitmqctl("delete_queue", "-p", vhost, QUEUE)
    yield
    code, _, said = scene.server.run("configure")
    assert code == 0, said


SCENARIOS: Final = (
    Scenario(
        name="broker killed",
        done="all its processes `kill -9`, started again 3 s later",
        fault=killed,
        stage=usual,
        seconds=3.0,
    ),
    Scenario(
        name="broker's memory alarm",
        done="`rabbitmqctl set_vm_memory_high_watermark 0`, and 0.4 again 5 s later",
        fault=steered(("set_vm_memory_high_watermark", "0"), ("set_vm_memory_high_watermark", "0.4")),
        stage=usual,
        seconds=5.0,
    ),
    Scenario(
        name="broker's disk alarm",
        done="`rabbitmqctl set_disk_free_limit 900GB`, and 50MB again 5 s later",
        fault=steered(("set_disk_free_limit", "900GB"), ("set_disk_free_limit", "50MB")),
        stage=usual,
        seconds=5.0,
    ),
    Scenario(
        name="connections closed",
        done="`rabbitmqctl close_all_connections`",
        fault=connections_closed,
        stage=usual,
        seconds=0.0,
    ),
    Scenario(
        name="queue deleted",
        done="`rabbitmqctl delete_queue`, with the messages in it; `swpt-accounts configure` 5 s later",
        fault=queue_deleted,
        stage=usual,
        seconds=5.0,
    ),
)
