"""How fast the server is, beside the fastest that its broker allows (see README.md)."""
