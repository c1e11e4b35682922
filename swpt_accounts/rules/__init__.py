"""The rules of accounting, pure: values in, values out; no I/O, no clock, no environment.

May import: `events`, `wire`.
"""
