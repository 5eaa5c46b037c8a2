"""Connectors: how objects are heard. Each is a plug-in, isolated, restarted with back-off, with a health of its own."""

from gemel.connectors.base import (
    Backoff,
    Plugin,
    Port,
    SecretRef,
    Settings,
    Source,
    build,
    kinds,
    plugin,
)

__all__ = ["Backoff", "Plugin", "Port", "SecretRef", "Settings", "Source", "build", "kinds", "plugin"]
