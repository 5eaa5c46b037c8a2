"""Addresses of a register map: `3/holding/100:float32:cdab`, `input/7.2`, `1/40101:int32`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from gemel.connectors.modbus.encoding import TYPES, width_of
from gemel.connectors.modbus.settings import Order
from gemel.errors import InvalidInput

__all__ = ["Address", "Table", "parse_address"]

Table = Literal["coil", "discrete", "input", "holding"]
_CLASSIC: dict[str, Table] = {"0": "coil", "1": "discrete", "3": "input", "4": "holding"}
_ADDRESS = re.compile(
    r"(?:(?P<unit>\d{1,3})/)?"
    r"(?:(?P<table>coil|discrete|input|holding)/(?P<number>\d{1,5})|(?P<classic>[0134]\d{4,5}))"
    r"(?:\.(?P<bit>\d{1,2}))?(?::(?P<type>[a-z]+\d*))?(?::(?P<order>[a-z]+))?"
)
_HOW = "write it like holding/100, 3/input/7:float32:cdab, holding/4.2 (a bit), coil/5 or 40101:int32"
_ORDERS = ("abcd", "cdab", "badc", "dcba")
_MOST_TEXT = 250


@dataclass(frozen=True, slots=True)
class Address:
    """Where a value is, and how it is written there."""

    unit: int
    table: Table
    start: int
    """Of the first coil or register, from 0, as it goes over the wire."""
    count: int
    """Coils or registers."""
    type: str
    order: Order
    bit: int | None = None

    @property
    def is_bits(self) -> bool:
        """Whether the table holds single bits."""
        return self.table in ("coil", "discrete")

    @property
    def end(self) -> int:
        return self.start + self.count


def parse_address(text: str, *, unit: int = 1, numbering: int = 0, order: Order = "abcd") -> Address:
    """What `text` names; the rest says what it leaves out. Raises InvalidInput."""
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise InvalidInput(f"address {text!r:.120} cannot be read; {_HOW}")
    table: Table
    if found["classic"]:
        table, number, first = _CLASSIC[found["classic"][0]], int(found["classic"][1:]), 1
    else:
        table, number, first = found["table"], int(found["number"]), numbering  # type: ignore[assignment]  # as _ADDRESS says
    if not 0 <= number - first <= 65_535:
        raise InvalidInput(f"address {text!r:.120}: number {number} is none of {first} to {65_535 + first}")
    if int(found["unit"] or 0) > 255:
        raise InvalidInput(f"address {text!r:.120}: unit {found['unit']} is not between 0 and 255")
    bit = int(found["bit"]) if found["bit"] else None
    type_ = _type(text, table, bit, found["type"])
    if (told := found["order"] or order) not in _ORDERS:
        raise InvalidInput(f"address {text!r:.120}: order {told!r} is none of {', '.join(_ORDERS)}")
    read = Address(
        unit=int(found["unit"]) if found["unit"] else unit,
        table=table,
        start=number - first,
        count=width_of(type_),
        type=type_,
        order=told,  # type: ignore[arg-type]  # one of _ORDERS
        bit=bit,
    )
    if read.end > 65_536:
        raise InvalidInput(f"address {text!r:.120}: {type_} has {read.count} registers and would pass the last one")
    return read


def _type(text: str, table: str, bit: int | None, told: str | None) -> str:
    if table in ("coil", "discrete"):
        if bit is not None or told not in (None, "bool"):
            raise InvalidInput(f"address {text!r:.120}: a {table} is one bit; leave {told or 'the bit'} out")
        return "bool"
    if bit is not None:
        if bit > 15 or told not in (None, "bool"):
            raise InvalidInput(f"address {text!r:.120}: bits of a register are .0 (the lowest) to .15, of type bool")
        return "bool"
    if told is None:
        return "uint16"
    if told == "bool":
        return told
    if told in TYPES:
        return told
    if told.startswith("string") and told[6:].isdecimal():
        length = int(told[6:])
        if length % 2:
            raise InvalidInput(
                f"address {text!r:.120}: {told} has an odd length; a register holds two bytes: write string{length + 1}"
            )
        if not 2 <= length <= _MOST_TEXT:
            raise InvalidInput(f"address {text!r:.120}: a string has 2 to {_MOST_TEXT} bytes")
        return told
    raise InvalidInput(
        f"address {text!r:.120}: there is no type {told!r}; there are bool, {', '.join(TYPES)} "
        "and string8 (of 8 bytes, or any even number)"
    )
