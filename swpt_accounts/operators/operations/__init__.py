"""What operators do: each function is one order, and returns values (rules.md#what-operators-can-do).

What cannot be done is an OperatorError that says why.  What changes something leaves a row in the
table `audit`, in the same transaction.

May import: `operators`, `transactions`, `storage`, `broker`, `rules`, `runtime`, `wire`.
"""
