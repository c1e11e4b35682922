"""Where records, ledgers, outbox and dead letters are kept: in a database (`sql`), or in memory.

`base` says what a store can do, `drive` folds inputs within a transaction of a store.
"""
