"""`python -m swpt_accounts` is `swpt-accounts`."""

from .cli import main

main()
