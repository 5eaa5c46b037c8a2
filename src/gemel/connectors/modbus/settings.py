"""What `settings:` of a Modbus connector may say."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

import msgspec

from gemel.connectors.base import Settings

__all__ = ["ModbusSettings", "Order", "Register", "Serial"]

Order = Literal["abcd", "cdab", "badc", "dcba"]
"""How the four bytes of a 32-bit value ABCD come: two in the first register, two in the next; 64 bits likewise."""


class Serial(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A serial line."""

    baud: int = 19_200
    parity: Literal["none", "even", "odd"] = "even"
    stop_bits: Literal[1, 2] = 1
    data_bits: Literal[7, 8] = 8


class Register(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What more there is to say of one address."""

    values: dict[str, str] = msgspec.field(default_factory=dict)
    """Number → name, for enumerations: {"0": OFF, "1": ON}."""

    def __post_init__(self) -> None:
        for number in self.values:
            if not number.removeprefix("-").isdecimal():
                raise ValueError(f'values has {number!r:.40}, which is no whole number; write it like "1": ON')


class ModbusSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the device (or the gateway before several) is, and how it is asked."""

    url: str
    """tcp://host:502, rtu+tcp://host:4001 (RTU frames through a serial server) or rtu:///dev/ttyUSB0."""
    serial: Serial = Serial()
    unit: int = 1
    """The unit of addresses that name none."""
    numbering: Literal[0, 1] = 0
    """What the first coil or register of a table is called in addresses like holding/100; 40101 counts from 1."""
    order: Order = "abcd"
    """The order of bytes and words of addresses that name none."""
    poll_s: float = 1.0
    """How often a binding without a rate_hz is read."""
    timeout_s: float = 2.0
    retries: int = 1
    gap: int = 8
    """Registers that nobody asked for and that are read along, to make one request of two neighbours; 16 coils are one
    register. 0: only what touches."""
    max_registers: int = 125
    """In one request; some devices can do less. 16 coils count as one."""
    registers: dict[str, Register] = msgspec.field(default_factory=dict)
    """By address of a binding."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("tcp", "rtu+tcp", "rtu"):
            raise ValueError(f"url {self.url!r:.120} is not tcp://host:502, rtu+tcp://host:4001 or rtu:///dev/ttyUSB0")
        if parts.scheme == "rtu" and (parts.netloc or not parts.path.startswith("/dev/") or ".." in parts.path):
            raise ValueError(f"url {self.url!r:.120} names no device of this machine; write it like rtu:///dev/ttyUSB0")
        if parts.scheme != "rtu" and not parts.hostname:
            raise ValueError(f"url {self.url!r:.120} names no host")
        if not 0 <= self.unit <= 255:
            raise ValueError(f"unit is {self.unit}; it must be between 0 and 255")
        if not 0.01 <= self.poll_s <= 86_400 or not 0.01 <= self.timeout_s <= 600:
            raise ValueError("poll_s must be between 0.01 and 86400, timeout_s between 0.01 and 600")
        if not (0 <= self.retries <= 10 and 0 <= self.gap <= 124 and 1 <= self.max_registers <= 125):
            raise ValueError("retries must be 0 to 10, gap 0 to 124, max_registers 1 to 125")

    @property
    def scheme(self) -> str:
        return urlsplit(self.url).scheme

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 502

    @property
    def device(self) -> str:
        return urlsplit(self.url).path
