"""Plays the real server against a world that follows from a seed (docs/reliability.md#simulation)."""
