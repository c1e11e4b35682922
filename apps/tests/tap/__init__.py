"""Tests of tap to pay."""
