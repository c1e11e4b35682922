"""The agent: a thread-safe face for applications, and a worker behind it."""

from .agent import Agent

__all__ = ["Agent"]
