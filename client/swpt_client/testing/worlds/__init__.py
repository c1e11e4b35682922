"""Random worlds: what happens to a client and a server if everything goes wrong that can."""
