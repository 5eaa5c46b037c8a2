"""A real Modbus server on this loop: devices with registers that a test may change, break, delay and cut."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gemel.connectors.ports import free_port

__all__ = ["Device", "Plc"]


class Device:
    """One unit: holding registers 0 to 199 (and 1000 to 1009), as many input registers, 64 coils and inputs."""

    def __init__(self, unit: int) -> None:
        self.unit = unit
        self.holding: dict[int, int] = {}
        self.input: dict[int, int] = {}
        self.coils: dict[int, bool] = {}
        self.refuses: ExcCodes | None = None
        self.hold: asyncio.Event | None = None
        """Answers wait for it."""
        self.asked: list[tuple[int, int, int]] = []
        """(function, address, count) of each request."""

    def put(self, start: int, words: Sequence[int]) -> None:
        self.holding.update({start + at: word for at, word in enumerate(words)})

    def sim(self) -> SimDevice:
        words = [
            SimData(0, count=200, values=0, datatype=DataType.REGISTERS),
            SimData(1000, count=10, values=0, datatype=DataType.REGISTERS),
        ]
        bits = [SimData(0, count=64, values=False, datatype=DataType.BITS)]
        return SimDevice(self.unit, simdata=(bits, bits, words, words), action=self._act)

    async def _act(
        self, function: int, start: int, address: int, count: int, current: list[int], written: Any
    ) -> ExcCodes | None:
        self.asked.append((function, address, count))
        if self.hold is not None:
            await self.hold.wait()
        if self.refuses is not None:
            return self.refuses
        if function in (3, 4):
            for at, word in (self.holding if function == 3 else self.input).items():
                if 0 <= at - start < len(current):
                    current[at - start] = word
        else:
            for at, bit in self.coils.items():
                word, place = divmod(at, 16)
                mask = 1 << place
                current[word - start // 16] = current[word - start // 16] & ~mask | (mask if bit else 0)
        return None


class Plc:
    """`async with Plc(Device(1)) as plc: plc.url`"""

    def __init__(self, *devices: Device, rtu: bool = False) -> None:
        self.devices = devices
        self.port = free_port()
        self._framer = FramerType.RTU if rtu else FramerType.SOCKET
        self.url = f"{'rtu+tcp' if rtu else 'tcp'}://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = ModbusTcpServer(
            [device.sim() for device in self.devices],
            framer=self._framer,
            address=("127.0.0.1", self.port),
            ignore_missing_devices=True,
        )
        await self._server.serve_forever(background=True)

    async def stop(self) -> None:
        await self._server.shutdown()

    async def __aenter__(self) -> Plc:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
