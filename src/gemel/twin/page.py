"""One page of a list, and where the next begins."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

__all__ = ["Page"]

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Some items of a list."""

    items: list[T]
    next: str | None = None
    """Cursor of the next page; None: this was the last."""
