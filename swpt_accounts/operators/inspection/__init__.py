"""What operators ask: functions that only read, and return values.

May import: `transactions`, `storage`, `broker`, `rules`, `runtime`, `events`, `wire`.
"""
