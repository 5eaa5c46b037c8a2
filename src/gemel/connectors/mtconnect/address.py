"""Addresses of data items: what a binding says, and what a source calls the item on the wire.

Xload                                    the item's name (or id)
Xload;id=Mazak01-X_3                     both, so that either finds it
Xtravel;id=Mazak01-X_2;shape=condition   an item that is not one plain value
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from gemel.errors import InvalidInput

__all__ = ["Address", "Shape", "parse_address"]


class Shape(StrEnum):
    """How an item's value is told on a line, after its name."""

    VALUE = "value"  # value
    CONDITION = "condition"  # level|code|severity|qualifier|text
    MESSAGE = "message"  # code|text
    TIME_SERIES = "time_series"  # count|rate|v v v
    DATA_SET = "data_set"  # key=value key=value
    ASSET = "asset"  # @ASSET@: id|type|body


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """One data item. `source` is the text of its Source element, which some adapters use as its name."""

    name: str
    id: str = ""
    source: str = ""
    device: str = ""
    shape: Shape | None = None
    """None: by the kind of the property it is bound to."""

    def __str__(self) -> str:
        parts = [self.name]
        parts += [f"{key}={getattr(self, key)}" for key in ("id", "source", "device", "shape") if getattr(self, key)]
        return ";".join(parts)


def parse_address(text: str) -> Address:
    """The address of a binding. Raises InvalidInput."""
    name, *options = text.split(";")
    found: dict[str, str] = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals or key not in ("id", "source", "device", "shape") or not value:
            raise InvalidInput(f"address {text!r:.200}: {option!r} is not id=, source=, device= or shape=")
        found[key] = value
    if not (name or found.get("id")):
        raise InvalidInput(f"address {text!r:.200} names no item; write it like Xload;id=Mazak01-X_3")
    try:
        return msgspec.convert({"name": name or found["id"], **found}, Address)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"address {text!r:.200}: {error}; shapes are {', '.join(Shape)}") from error
