"""How values lie in registers of 16 bits."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from gemel.connectors.modbus.settings import Order

__all__ = ["TYPES", "decode", "encode", "width_of"]

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


def encode(value: float | int | bool | str, type: str, order: Order) -> list[int]:
    """The registers that hold a value; what `decode` reads. Raises ValueError when it does not fit."""
    swapped, reversed_ = order in ("badc", "dcba"), order in ("cdab", "dcba")
    if type.startswith("string"):
        raw = str(value).encode()
        if len(raw) > int(type[6:]):
            raise ValueError(f"the text has {len(raw)} bytes; {type} holds {type[6:]}")
        raw = raw.ljust(int(type[6:]), b"\0")
    else:
        code = "H" if type == "bool" else TYPES[type]
        try:
            raw = struct.pack(f">{code}", float(value) if code in "fd" else _whole(value))
        except (struct.error, OverflowError) as error:
            raise ValueError(f"{value!r:.40} does not fit into {type}: {error}") from None
        if reversed_:
            raw = b"".join(raw[at : at + 2] for at in range(len(raw) - 2, -1, -2))
    return list(struct.unpack(f"{'<' if swapped else '>'}{len(raw) // 2}H", raw))


def _whole(value: float | int | bool | str) -> int:
    if isinstance(value, str) or float(value) != int(value):
        raise ValueError(f"{value!r:.40} is no whole number, which the register holds")
    return int(value)
