"""What operators see and order: functions, and the listener with API and console.

May import: `procedures`, `transactions`, `storage`, `broker`, `rules`, `runtime`, `events`, `wire`.
"""
