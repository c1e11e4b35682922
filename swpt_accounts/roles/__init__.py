"""The processes of the server: worker, chores, web, configure, and all of them under supervision.

Beside them stands what processes share: how they are put together, stopped, asked for their health, and
what they let in (`admission`, `gate`).

May import: `actors`, `operators`, `shards`, `procedures`, `transactions`, `storage`, `broker`, `rules`,
`runtime`, `events`, `wire`.
"""
