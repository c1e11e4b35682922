"""A shop: sellers have credit, and charge phone numbers with it; administrators grant the credit.

The accounting server keeps credit and sales; here are sellers, requests, charges, and a log that only grows.
"""
