"""NATS: subjects with templates, JetStream consumers acknowledged when durable; JSON, text or Arrow payloads."""

from gemel.connectors.nats.settings import NatsSettings
from gemel.connectors.nats.source import NatsSource

__all__ = ["NatsSettings", "NatsSource"]
