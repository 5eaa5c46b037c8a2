"""The server's fixtures, for the client."""

from tests.server.conftest import platform, server, tokens

__all__ = ["platform", "server", "tokens"]
