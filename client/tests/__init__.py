"""Tests of the client, from its tables outwards."""
