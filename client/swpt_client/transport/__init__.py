"""How messages travel: over RabbitMQ, or within the process.

`base` says what a transport does.
"""
