"""Sparkplug B 3.0 over any MQTT broker: births, deaths, sequence, rebirth, host state."""

from gemel.connectors.sparkplug.proposal import born, document_of_births, propose
from gemel.connectors.sparkplug.settings import SparkplugSettings
from gemel.connectors.sparkplug.source import SparkplugSource

__all__ = ["SparkplugSettings", "SparkplugSource", "born", "document_of_births", "propose"]
