"""The tests, ring by ring: see CONTRIBUTING.md."""
