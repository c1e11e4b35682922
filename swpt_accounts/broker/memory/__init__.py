"""The transport within the process."""
