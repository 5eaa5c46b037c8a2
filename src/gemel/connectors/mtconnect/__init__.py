"""MTConnect: adapters over SHDR, agents over XML, and the import of a device model.

Standard: MTConnect (ANSI/MTC1.4 and later), https://www.mtconnect.org.
"""

from gemel.connectors.mtconnect.importing import import_devices, plant_yaml
from gemel.connectors.mtconnect.source import MtconnectSource

__all__ = ["MtconnectSource", "import_devices", "plant_yaml"]
