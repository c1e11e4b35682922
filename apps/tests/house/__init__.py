"""Tests of what applications share."""
