"""History of other systems, from their exports: InfluxDB line protocol, ThingsBoard CSV; for the bulk load."""

from gemel.connectors.archives.gathering import Found, Gathered, Names, gather, mapping, plant_of
from gemel.connectors.archives.influx import read_influx
from gemel.connectors.archives.thingsboard import read_thingsboard

__all__ = ["Found", "Gathered", "Names", "gather", "mapping", "plant_of", "read_influx", "read_thingsboard"]
