"""The command `audit`: what operators have changed."""

from functools import partial

import click

from .common import command_context, form_options, list_options, show_pages


@click.command()
@list_options
@form_options
def audit(limit: int, is_all: bool, form: str) -> None:
    """Show what operators have changed, newest first: when, who, from where, and what."""
    from swpt_accounts.operators.inspection.audit import AuditRow, list_audit
    from swpt_accounts.operators.inspection.tabular import cells

    with command_context() as context:
        read = partial(list_audit, context.connection)
        show_pages(read, AuditRow.__struct_fields__, form, limit=limit, is_all=is_all, shown=cells)
