"""Stories over AMQP and HTTP alone, told to a running server."""
