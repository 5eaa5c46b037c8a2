"""People, as a connector: what they enter by hand has a bound of its own, and orders reach them as instructions."""

from gemel.connectors.manual.source import ManualSettings, ManualSource

__all__ = ["ManualSettings", "ManualSource"]
