"""Whether the books are right: accounts against their journal, the journal against its seals.

May import: `operators`, `storage`, `rules`, `runtime`, `events`, `wire`.
"""
