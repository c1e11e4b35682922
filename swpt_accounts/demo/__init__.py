"""The demonstration: the real server in this process, a client that makes its life hard, and a proof.

The server is wired like its programs, with a PostgreSQL from a wheel and a transport in memory; it may be
several shards with a part of the accounts each.
The client knows only the protocol: it sends JSON, keeps its own book from the answers, and at the
end compares the two.

May import: `embedded`, `roles`, `actors`, `operators`, `shards`, `procedures`, `transactions`, `storage`,
`broker`, `rules`, `runtime`, `events`, `wire`.
"""

from .program import number_of_shards, run

__all__ = ["number_of_shards", "run"]
