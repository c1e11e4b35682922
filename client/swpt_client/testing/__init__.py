"""Both halves of the protocol side by side in memory, so that applications are tested in milliseconds.

Needs `swpt-accounts` beside the client: the server here decides by the real server's own rules.
"""
