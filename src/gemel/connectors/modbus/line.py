"""The connection to a device or gateway: one request at a time, answers or reasons."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException

from gemel.connectors.modbus.addresses import Table
from gemel.connectors.modbus.requests import Request
from gemel.connectors.modbus.settings import ModbusSettings

__all__ = ["Line", "Refused", "Silent", "connect"]

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # what it would say is in our health

_NEVER = 1 << 62
_REASONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge",
    6: "device busy",
    7: "negative acknowledge",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target does not answer",
}
_PARITY = {"none": "N", "even": "E", "odd": "O"}


class Refused(Exception):
    """The device answered with an exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}: {_REASONS.get(code, 'unknown')}")
        self.is_silence = code in (10, 11)
        """A gateway says so of a unit behind it."""


class Silent(Exception):
    """No answer in time, or none that could be read."""


class Line:
    """An open connection. Requests of several units wait for each other."""

    def __init__(self, settings: ModbusSettings) -> None:
        self._settings = settings
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open = False
        self._writing = asyncio.Lock()
        more: dict[str, Any] = {
            "timeout": settings.timeout_s,
            "retries": settings.retries,
            "reconnect_delay": 0,
            "trace_connect": self._connected,
        }
        self._client: AsyncModbusTcpClient | AsyncModbusSerialClient
        if settings.scheme == "rtu":
            serial = settings.serial
            self._client = AsyncModbusSerialClient(
                settings.device,
                baudrate=serial.baud,
                parity=_PARITY[serial.parity],
                stopbits=serial.stop_bits,
                bytesize=serial.data_bits,
                **more,
            )
        else:
            framer = FramerType.RTU if settings.scheme == "rtu+tcp" else FramerType.SOCKET
            self._client = AsyncModbusTcpClient(settings.host, port=settings.port, framer=framer, **more)
        self._client.set_max_no_responses(_NEVER)

    async def open(self) -> None:
        """Raises ConnectionError."""
        if not await self._client.connect():
            raise ConnectionRefusedError(f"{self._settings.url} cannot be reached")
        self._open = True

    def close(self) -> None:
        self._open = False
        self._client.close()

    async def read(self, request: Request) -> list[int]:
        """The coils (as 0 and 1) or registers of a request. Raises Refused, Silent, ConnectionError."""
        client = self._client
        ask = {
            "coil": client.read_coils,
            "discrete": client.read_discrete_inputs,
            "input": client.read_input_registers,
            "holding": client.read_holding_registers,
        }[request.table]
        try:
            answer: Any = await ask(request.start, count=request.count, device_id=request.unit)
        except ConnectionException as error:
            raise ConnectionResetError(f"the connection to {self._settings.url} was lost: {error}") from None
        except ModbusException as error:
            if self._settings.scheme != "tcp":  # RTU frames have no number: a late answer would pass for the next one
                raise ConnectionResetError(f"unit {request.unit} at {self._settings.url} does not answer") from error
            raise Silent(f"no answer within {self._settings.timeout_s:g} s") from error
        if answer.isError():
            raise Refused(answer.exception_code)
        found: list[int] = answer.bits if request.table in ("coil", "discrete") else answer.registers
        if len(found) < request.count:
            raise Silent(f"the answer has {len(found)} of {request.count} values")
        return found

    async def write(self, unit: int, table: Table, start: int, values: list[int]) -> None:
        """Write coils or registers, once: no retries. Raises Refused, Silent, ConnectionError."""
        client, manager = self._client, self._client.ctx
        answer: Any
        async with self._writing:
            retries, manager.retries = manager.retries, 0
            try:
                if table == "coil":
                    answer = await client.write_coils(start, [bool(one) for one in values], device_id=unit)
                else:
                    answer = await client.write_registers(start, values, device_id=unit)
            except ConnectionException as error:
                raise ConnectionResetError(f"the connection to {self._settings.url} was lost: {error}") from None
            except ModbusException as error:
                raise Silent(f"no answer within {self._settings.timeout_s:g} s") from error
            finally:
                manager.retries = retries
        if answer.isError():
            raise Refused(answer.exception_code)

    def _connected(self, is_connected: bool) -> None:
        if not is_connected and self._open and not self.lost.done():
            self.lost.set_exception(ConnectionResetError(f"the connection to {self._settings.url} was lost"))


@asynccontextmanager
async def connect(settings: ModbusSettings) -> AsyncIterator[Line]:
    """An open line, closed at the end. Raises ConnectionError."""
    line = Line(settings)
    try:
        await line.open()
        yield line
    finally:
        line.close()
        if line.lost.done() and not line.lost.cancelled():
            line.lost.exception()
