"""The accounting server of the Swaptacular Messaging Protocol."""
