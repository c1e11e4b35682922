"""What both sides of the protocol mean by the same words: numbers, codes, moments, keys, and messages.

Of the messages it has those that come in, decoded strictly; what goes out is in `events`.  Pure: the client
in this checkout has a codec of its own, and its tests compare both.

May import: nothing of this house.
"""
