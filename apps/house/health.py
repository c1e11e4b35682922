"""Probes: `/livez` says that the program answers, `/readyz` that it can store what is asked of it."""

from typing import Any

from flask import Flask, request
from sqlalchemy import text

from swpt_client.errors import StoreAway

from .room import Room

_PATHS = ("/livez", "/readyz")


def is_open() -> bool:
    """Whether this request is for a probe, which answers in any state."""
    return request.path in _PATHS


def set_up(app: Flask, room: Room) -> None:
    """Add the probes."""

    @app.get("/livez")
    def livez() -> dict[str, Any]:
        return {"alive": True}

    @app.get("/readyz")
    def readyz() -> tuple[dict[str, Any], int]:
        try:
            room.database.transact(lambda session: session.execute(text("SELECT 1")).scalar())
            is_there = True
        except StoreAway:
            is_there = False
        is_ready = is_there and room.is_ready.is_set()
        answer = {"database": is_there, "tables": room.is_ready.is_set()}
        return answer, 200 if is_ready else 503
