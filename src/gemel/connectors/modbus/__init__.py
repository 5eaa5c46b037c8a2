"""Modbus: coils and registers of devices, polled over TCP, over RTU in TCP, or on a serial line.

Standard: MODBUS Application Protocol Specification 1.1b3.
"""

from gemel.connectors.modbus.settings import ModbusSettings
from gemel.connectors.modbus.source import ModbusSource

__all__ = ["ModbusSettings", "ModbusSource"]
