"""`python -m swpt_client` is the command `swpt-client`."""

from .commands import main

if __name__ == "__main__":
    raise SystemExit(main())
