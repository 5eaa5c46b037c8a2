"""HTTP, WebSocket and the web app: the platform's verbs over the network."""

from gemel.server.app import create_app
from gemel.server.logs import configure_logs
from gemel.server.options import Options
from gemel.server.run import Server, serve

__all__ = ["Options", "Server", "configure_logs", "create_app", "serve"]
