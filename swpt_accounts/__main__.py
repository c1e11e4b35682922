"""`python -m swpt_accounts` is `swpt-accounts`."""

from .commands.cli import main

main()
