"""Tests of the agent, with the test as its server."""
