"""Scenarios in which packets are lost, and nobody hears of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from .playing import Scenario
from .scene import Scene
from .site import Site
from .stages import far, two_hosts


def site_of(scene: Scene) -> Site:
    """Ours."""
    assert scene.site is not None, "who breaks the network has one of his own"
    return scene.site


@contextmanager
def database_out_of_reach(scene: Scene) -> Iterator[None]:
    """All packets between the server and the database are dropped."""
    host = site_of(scene).another_host()
    host.lose(site_of(scene).postgres_port)
    yield
    host.find()


@contextmanager
def broker_out_of_reach(scene: Scene) -> Iterator[None]:
    """All packets between the server and the broker are dropped."""
    host = site_of(scene).another_host()
    host.lose(site_of(scene).broker.port)
    yield
    host.find()


@contextmanager
def host_vanished(scene: Scene) -> Iterator[None]:
    """The wire of one host is cut, and then its worker is dead; later there is a new one."""
    host = site_of(scene).another_host()
    host.cut()
    scene.crew.kill("worker 2")
    yield
    host.plug()
    scene.crew.start("worker 2", **scene.tools["far worker"])


SCENARIOS: Final = (
    Scenario(
        name="packets to the database lost",
        done="dropped in both directions, never reset, for 20 s",
        fault=database_out_of_reach,
        stage=far,
        seconds=20.0,
    ),
    Scenario(
        name="packets to the broker lost",
        done="dropped in both directions, never reset, for 20 s",
        fault=broker_out_of_reach,
        stage=far,
        seconds=20.0,
    ),
    Scenario(
        name="host vanished",
        done="the link of one of two workers' hosts is cut, and the worker killed; there again 20 s later",
        fault=host_vanished,
        stage=two_hosts,
        seconds=20.0,
    ),
)
