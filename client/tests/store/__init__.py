"""Tests of the stores: each behaves as the others do."""
