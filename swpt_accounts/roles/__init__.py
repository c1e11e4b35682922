"""The processes of the server: worker, chores, web, and all of them under supervision.

May import: `actors`, `operators`, `shards`, `procedures`, `transactions`, `storage`, `broker`, `rules`,
`runtime`, `events`, `wire`.
"""
