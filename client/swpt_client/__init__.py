"""The client's half of the Swaptacular Messaging Protocol.

It remembers before it sends, sends again until a thing is settled, dismisses what nobody
wants, and assembles ledgers from messages that come late, twice and in any order.
`core` is where the rules are folded over a batch of events; it is pure.
"""
