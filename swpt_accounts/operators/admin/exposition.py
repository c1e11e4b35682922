"""What Prometheus is shown: the numbers of all processes, and how things stand in the database."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from logging import getLogger
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any, Final

import psycopg2
from flask import Blueprint, Flask, Response, request
from prometheus_client import CollectorRegistry, Metric, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from swpt_accounts.operators.inspection import gauges
from swpt_accounts.operators.inspection.shards.part import Part
from swpt_accounts.runtime import metering, metrics
from swpt_accounts.runtime.errors import first_line, mask_secrets

from .access import open_to_everybody
from .context import AdminContext

# However many machines ask, the database is asked once in this time.
KEPT_SECONDS: Final = 5.0

PREFIX: Final = "swpt_accounts_"
"""Prometheus keeps the numbers of all programs in one room, where `prepared_transfers` may be anybody's."""

_logger: Final = getLogger(__name__)

Reading = Callable[[], AbstractContextManager[Any]]
"""Lends a connection to the database."""


class Exposition:
    """Answers of /metrics; from any thread."""

    def __init__(self, context: AdminContext, kept_seconds: float = KEPT_SECONDS) -> None:
        # They would be an additional number for each number, about a moment that nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._context = context
        self._folder = context.settings.metrics_folder
        self._part = Part.of(context.settings)
        self._kept_seconds = kept_seconds
        self._lock = Lock()
        self._until = 0.0
        self._gauges: list[Metric] = []

    def answer(self, accept: str) -> tuple[bytes, str]:
        """All numbers in the newest format that the asker accepts, and its content type."""
        encode, content_type = choose_encoder(accept)
        registry = CollectorRegistry(auto_describe=False)
        numbers = (*self._process_numbers(), *self._database_numbers(), *self._found_by_trying())
        registry.register(_Collected(numbers))
        return encode(registry), content_type

    def _process_numbers(self) -> Iterable[Metric]:
        """What processes count: those that share our folder, or this one alone."""
        if not self._folder:
            return metrics.REGISTRY.collect()
        files = [os.fspath(path) for path in sorted(Path(self._folder).glob("*_*.db"))]
        readable = [file for file in files if metering.is_readable(Path(file))]
        if len(readable) < len(files):
            _logger.warning("Files with numbers that cannot be read: %s", set(files) - set(readable))
        current = [file for file in readable if metering.is_current(Path(file))]
        merged: Iterable[Metric] = MultiProcessCollector.merge(current)  # type: ignore[no-untyped-call]
        return [*merged, gauges.gauge("processes", metering.living(Path(self._folder)))]

    def _database_numbers(self) -> list[Metric]:
        with self._lock:
            if monotonic() >= self._until:
                self._gauges = self._ask()
                self._until = monotonic() + self._kept_seconds
            return self._gauges

    def _found_by_trying(self) -> list[Metric]:
        """Whether database and broker work, and not only answer."""
        found = [
            gauges.gauge("database_up", not self._context.database.why_not()),
            gauges.gauge("broker_up", not self._context.broker.why_not()),
        ]
        given_up = self._context.broker.given_up()
        return found if given_up is None else [*found, gauges.gauge("messages_given_up", given_up)]

    def _ask(self) -> list[Metric]:
        try:
            with self._context.reading() as connection:
                found = gauges.read_gauges(connection, self._context.now, self._part)
                return list(found)
        except (psycopg2.Error, SQLAlchemyError) as error:
            cause = mask_secrets(first_line(error))
            _logger.warning("The database cannot be asked for numbers: %s", cause)
            return []


class _Collected(Collector):
    """Numbers that are collected already."""

    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        for metric in self._found:
            yield with_prefix(metric)
            yield metric


def with_prefix(metric: Metric) -> Metric:
    """The same number under the name that is ours alone, beside that of earlier versions."""
    named = Metric(PREFIX + metric.name, metric.documentation, metric.type)
    named.samples = [sample._replace(name=PREFIX + sample.name) for sample in metric.samples]
    return named


def register(app: Flask, context: AdminContext) -> None:
    """Add the page to the application."""
    exposition = Exposition(context)
    blueprint = Blueprint("metrics", __name__)

    def metrics() -> Response:
        """The numbers of the server."""
        body, content_type = exposition.answer(request.headers.get("Accept", ""))
        return Response(body, content_type=content_type)

    view = open_to_everybody(metrics) if context.settings.admin_metrics_open else metrics
    blueprint.add_url_rule("/metrics", view_func=view)
    app.register_blueprint(blueprint)
