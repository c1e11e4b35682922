"""The table of scenarios in docs/reliability.md: what breaks, twice, while customers pay, and how it ends."""
