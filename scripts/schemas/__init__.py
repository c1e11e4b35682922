"""Makes documents/messages of `docs/messages/`: what the messages look like, for programs in any language.

`python -m scripts.schemas` writes a JSON Schema for each message and for RootConfigData, and one
AsyncAPI document of all of them, from the structs of the server.
"""
