"""The servers that tests talk to: found, or started for this run alone."""
