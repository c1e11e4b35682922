"""What tests of failures stand on: a proxy, a client, processes of the server, and audits."""
