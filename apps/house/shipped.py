"""Files of the accounting server that applications serve as well: style sheet, Swagger UI."""

from importlib.resources import files
from pathlib import Path

from flask import Flask, Response, send_from_directory


def static_folder() -> Path:
    """Where the server keeps `console.css`, `console.js`, `icon.svg` and `swagger-ui/`."""
    return Path(str(files("swpt_accounts"))) / "operators" / "admin" / "static"


def serve_folder(app: Flask, endpoint: str, prefix: str, folder: Path) -> None:
    """Serve the files of a folder; twice is harmless."""

    def view(name: str) -> Response:
        return send_from_directory(folder, name, max_age=3600)

    if endpoint not in app.view_functions:
        app.add_url_rule(f"{prefix}/<path:name>", endpoint, view)


def serve_shipped(app: Flask) -> None:
    """Serve the files of the accounting server, at `/shipped/`."""
    serve_folder(app, "shipped", "/shipped", static_folder())
