"""A till that trusts people: coffee and snacks on a screen to touch, recharges, transfers, undo, debts.

The accounting server keeps the money; here are people, cards, products, their stock, and what was done.
"""
