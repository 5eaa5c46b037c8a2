"""How values lie in registers of 16 bits."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from gemel.connectors.modbus.settings import Order

__all__ = ["TYPES", "decode", "width_of"]

TYPES = {
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}
"""Type → its code in `struct`."""


def width_of(type: str) -> int:
    """How many registers (or coils) a value takes."""
    if type == "bool":
        return 1
    return int(type[6:]) // 2 if type.startswith("string") else struct.calcsize(TYPES[type]) // 2


def decode(registers: Sequence[int], type: str, order: Order, bit: int | None = None) -> float | int | bool | str:
    """The value in `registers`. Texts end at their first zero byte or trailing blanks. Raises UnicodeDecodeError."""
    swapped, reversed_ = order in ("badc", "dcba"), order in ("cdab", "dcba")
    raw = struct.pack(f"{'<' if swapped else '>'}{len(registers)}H", *registers)
    if type.startswith("string"):  # a text is read from left to right, whatever the order of words
        return raw.partition(b"\0")[0].decode().rstrip(" ")
    if reversed_:
        raw = b"".join(raw[at : at + 2] for at in range(len(raw) - 2, -1, -2))
    if type == "bool":
        word = int.from_bytes(raw, "big")
        return bool(word >> bit & 1) if bit is not None else word != 0
    found: float | int = struct.unpack(f">{TYPES[type]}", raw)[0]
    return found
