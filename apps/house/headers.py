"""Headers that keep browsers from doing what the pages did not ask for."""

from typing import Final

from flask import Flask, Response, request

# Pictures may stand in style sheets; nothing comes from elsewhere, and nothing inline is obeyed.
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none';"
        " base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def protective_headers(*, is_https: bool) -> dict[str, str]:
    """The headers of every answer."""
    return _HEADERS | ({"Strict-Transport-Security": "max-age=31536000"} if is_https else {})


def set_up(app: Flask, *, is_https: bool) -> None:
    """Add the headers to every response; only files may be kept by browsers."""
    headers = protective_headers(is_https=is_https)

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers.update(headers)
        if request.endpoint not in ("shipped", "house_file", "app_file"):
            response.headers["Cache-Control"] = "no-store"
        return response
