"""Servers and connections are killed under load; run by `make chaos`."""
