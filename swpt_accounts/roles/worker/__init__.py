"""The worker: takes batches from the broker and applies them."""

from .process import run, start

__all__ = ["run", "start"]
