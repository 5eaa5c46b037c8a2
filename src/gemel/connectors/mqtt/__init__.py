"""MQTT: any broker, any topics; JSON or plain payloads, mapped by path; acknowledged when durable."""

from gemel.connectors.mqtt.settings import MqttSettings
from gemel.connectors.mqtt.source import MqttSource

__all__ = ["MqttSettings", "MqttSource"]
