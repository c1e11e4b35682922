"""The commands for operators, as click groups: thin verbs over the functions of `operations`.

May import: `demo`, `embedded`, `roles`, `actors`, `operators`, `shards`, `procedures`, `transactions`,
`storage`, `broker`, `rules`, `runtime`, `events`, `wire`.
"""
