"""The transport over RabbitMQ: our own half of AMQP 0-9-1, and pika for what is rare.

May import: `broker`, `events`, `runtime`, `wire`.
"""
