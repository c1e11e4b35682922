"""An exchange: offers meet in pairs and rings, whose transfers happen together or not at all.

The accounting server keeps the money; here are the offers, the trades, and how far each of their legs is.
"""
