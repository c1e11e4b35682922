"""Files of the accounting server that applications serve as well: style sheet, Swagger UI."""

from importlib.resources import files
from pathlib import Path


def static_folder() -> Path:
    """Where the server keeps `console.css`, `console.js`, `icon.svg` and `swagger-ui/`."""
    return Path(str(files("swpt_accounts"))) / "operators" / "admin" / "static"
