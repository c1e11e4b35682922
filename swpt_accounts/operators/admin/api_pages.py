"""The page that shows the admin API, and lets a visitor try it, with Swagger UI from our own files."""

from flask import Blueprint, render_template

api_pages = Blueprint("api_pages", __name__, url_prefix="/admin")


@api_pages.get("/api-docs")
def show() -> str:
    """The operations of the API."""
    return render_template("admin/api_docs.html")
