"""Verification by itself: each minute, with an alarm in the log and numbers for monitoring."""

from logging import getLogger
from threading import Lock
from typing import Final

from flask import Flask, Response
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from house.room import Room
from house.verifying import Report

EVERY_SECONDS: Final = 60.0
_logger = getLogger(__name__)


class Watch:
    """What the latest verification of this process has found; thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._latest: Report | None = None
        self._registry = CollectorRegistry()
        self._numbers = {
            name: Gauge(f"shop_verify_{name}", text, registry=self._registry)
            for name, text in (
                ("compared", "What was the same in both places when everything was verified last."),
                ("differences", "What differed; anything but 0 is an alarm."),
                ("not_yet", "What could not be compared yet."),
            )
        }

    def look(self, room: Room) -> Report:
        """Verify everything now."""
        report = room.verify()
        with self._lock:
            self._latest = report
        self._numbers["compared"].set(report.compared)
        self._numbers["differences"].set(len(report.differences))
        self._numbers["not_yet"].set(len(report.not_yet))
        for one in report.differences:
            _logger.error("ALARM: %s: expected %d, found %d.", one.about, one.expected, one.found)
        return report

    @property
    def latest(self) -> Report | None:
        """None before the first."""
        with self._lock:
            return self._latest

    def set_up(self, app: Flask) -> None:
        """Add `/metrics`."""

        @app.get("/metrics")
        def metrics() -> Response:
            return Response(generate_latest(self._registry), content_type=CONTENT_TYPE_LATEST)


WATCH: Final = Watch()
