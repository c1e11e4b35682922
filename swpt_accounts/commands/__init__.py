"""What is typed, as click groups: thin verbs over `inspection`, `operations`, roles and demo.

May import: `demo`, `embedded`, `roles`, `actors`, `operators`, `shards`, `procedures`, `transactions`,
`storage`, `broker`, `rules`, `runtime`, `events`, `wire`.
"""
