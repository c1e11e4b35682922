"""`/metrics` for Prometheus: with the token of a viewer, or open if a setting says so."""

from flask import Blueprint, Flask, Response, request

from swpt_accounts.exposition import Exposition

from .access import open_to_everybody
from .desk import Desk


def register(app: Flask, at: Desk) -> None:
    """Add the page to the application."""
    exposition = Exposition(at.settings, at.reading, at.now)
    blueprint = Blueprint("metrics", __name__)

    def metrics() -> Response:
        """The numbers of the server."""
        body, content_type = exposition.answer(request.headers.get("Accept", ""))
        return Response(body, content_type=content_type)

    view = open_to_everybody(metrics) if at.settings.admin_metrics_open else metrics
    blueprint.add_url_rule("/metrics", view_func=view)
    app.register_blueprint(blueprint)
