"""Both halves of the protocol side by side in memory, so that applications are tested in milliseconds.

Needs `swpt-accounts` beside the client: the server here decides by the real server's own rules.
"""

from importlib.util import find_spec

if find_spec("swpt_accounts") is None:
    raise ImportError(
        "swpt_client.testing decides by the server's rules, and needs the distribution"
        " 'swpt-accounts' beside swpt-client"
    )
