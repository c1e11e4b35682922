"""How fast applications on the ledger are, beside the usual way: a balance in a table, locked by its row."""
