"""Connectors: how objects are heard. Each is a plug-in, isolated, restarted with back-off, with a health of its own."""

from gemel.connectors.base import (
    Backoff,
    Plugin,
    Port,
    SecretRef,
    Settings,
    Source,
    build,
    check,
    kinds,
    plugin,
)
from gemel.connectors.health import HEALTH_TYPE, Health
from gemel.connectors.supervisor import Supervisor

__all__ = [
    "HEALTH_TYPE",
    "Backoff",
    "Health",
    "Plugin",
    "Port",
    "SecretRef",
    "Settings",
    "Source",
    "Supervisor",
    "build",
    "check",
    "kinds",
    "plugin",
]
