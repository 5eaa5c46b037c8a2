"""The plant, the server and the callers of tests/server."""

from tests.server.conftest import admin, as_role, platform, server, tokens

__all__ = ["admin", "as_role", "platform", "server", "tokens"]
