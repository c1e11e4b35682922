"""Between the servers of one node: what they ask each other over HTTP."""
