"""Connectors: how objects are heard. Each is a plug-in, isolated, restarted with back-off, with a health of its own."""

from gemel.connectors.base import (
    Backoff,
    NotWanted,
    Outlet,
    Plugin,
    Port,
    SecretRef,
    Settings,
    Sink,
    Source,
    Undelivered,
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
    "NotWanted",
    "Outlet",
    "Plugin",
    "Port",
    "SecretRef",
    "Settings",
    "Sink",
    "Source",
    "Supervisor",
    "Undelivered",
    "build",
    "check",
    "kinds",
    "plugin",
]
