"""What both sides of the protocol share: numbers, codes, moments, keys, JSON, and incoming messages.

Pure, and free of everything else in this house: a client may import it.

May import: nothing of this house.
"""
