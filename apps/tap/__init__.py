"""Tap to pay: two phones each send their half of a payment, and where both agree, money moves.

The accounting server keeps the money; here are the halves, who may send them, and what became of them.
"""
