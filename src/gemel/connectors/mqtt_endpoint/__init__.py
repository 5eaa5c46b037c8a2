"""MQTT without a broker: devices connect to Gemel itself, 3.1.1 and 5; acknowledged when durable."""

from gemel.connectors.mqtt_endpoint.settings import EndpointSettings
from gemel.connectors.mqtt_endpoint.source import MqttEndpoint

__all__ = ["EndpointSettings", "MqttEndpoint"]
