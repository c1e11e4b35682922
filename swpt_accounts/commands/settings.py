"""The command `settings`: what the environment says, and what stands there by default."""

from typing import Any, Final

import click

from .common import form_options
from .display import show_list

_COLUMNS: Final = ("name", "value", "from", "meaning")


@click.command(name="settings")
@click.option("--changed", is_flag=True, help="Only what is not the default.")
@form_options
def show_settings(changed: bool, form: str) -> None:
    """Show the settings with which the roles would start here.  Secrets are masked.

    It asks neither database nor broker.  Exit code 2: some of them are wrong; each is named.
    """
    from swpt_accounts.runtime import settings
    from swpt_accounts.runtime.errors import mask_secrets
    from swpt_accounts.runtime.variables import render, variables

    loaded = settings.load()
    rows: list[dict[str, Any]] = []
    for name, variable in variables(settings.Settings).items():
        value = getattr(loaded, name)
        is_default = value == variable.default
        if changed and is_default:
            continue
        shown = render(value)
        if variable.is_secret and shown:
            # An address is known without its password; whatever else is secret is not shown at all.
            shown = mask_secrets(shown) if "://" in shown else "***"
        origin = "default" if is_default else "environment"
        rows.append(dict(zip(_COLUMNS, (name.upper(), shown, origin, variable.meaning), strict=True)))
    columns = _COLUMNS if form != "table" else _COLUMNS[:3]
    show_list(columns, [[{column: row[column] for column in columns} for row in rows]], form)
