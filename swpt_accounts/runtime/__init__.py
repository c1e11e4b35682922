"""What a process knows of its surroundings: settings, clock, log, numbers that are counted.

May import: `events`, `wire`.
"""
