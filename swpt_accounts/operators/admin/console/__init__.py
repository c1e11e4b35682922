"""The console under /admin/: pages for people, made on the server.

A page is a module that adds itself to the blueprint of `arguments`; `display`, `words`, `plots` and
`attention` are what pages share.

May import: `operators`, `broker`, `rules`, `runtime`, `wire`.
"""

from flask import Flask

from . import (
    account,
    arguments,
    audit,
    chores,
    dead_letters,
    debtors,
    display,
    exports,
    manual,
    outbox,
    overview,
    refusals,
    search,
    transfers,
    waiting_requests,
)

# Each of them adds its page to the blueprint.
_PAGES = (
    overview,
    search,
    debtors,
    account,
    transfers,
    waiting_requests,
    refusals,
    dead_letters,
    outbox,
    chores,
    audit,
    exports,
    manual,
)


def set_up(app: Flask) -> None:
    """Add the console to the application; the converters of the API must be there already."""
    display.set_up(app)
    app.register_blueprint(arguments.console)
