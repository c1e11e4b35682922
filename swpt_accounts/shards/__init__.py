"""Between the servers of one node: what they ask each other over HTTP.

May import: `procedures`, `transactions`, `storage`, `broker`, `rules`, `runtime`, `events`, `wire`.
"""
