"""Wallets over HTTP: clients register, deposit, pay each other, and send invoices.

The accounting server keeps the money; here are people, invoices, and what was asked for.
"""
