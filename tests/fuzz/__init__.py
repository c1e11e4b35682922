"""What arrives from outside, made odd on purpose: a kept corpus for each door, and a search for more."""
