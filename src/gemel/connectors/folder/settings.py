"""What `settings:` of a folder connector may say."""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo

from gemel.connectors.base import Settings
from gemel.connectors.times import TimeFormat

__all__ = ["FolderSettings"]


class FolderSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which folder, and how its files are read."""

    path: str
    """A folder below the plant's `inbox/`, like inbox/press-7; it is made when it is not there."""
    time: str = "time"
    """The column with the time of a row; empty: the moment of arrival."""
    time_format: TimeFormat = "rfc3339"
    time_zone: str = "UTC"
    """Of times without an offset; an IANA name."""
    delimiter: str = ","
    """Of CSV files."""
    decimal: Literal[".", ","] = "."
    """How texts write numbers. With a comma, dots may only part thousands: 1.234,5."""
    encoding: str = "utf-8"
    """Of CSV files and JSON lines, like cp1252; one that begins with ASCII."""
    every_s: float = 1.0
    """How often we look."""
    settle_s: float = 2.0
    """A file is taken when it has not changed for so long."""
    maximum_bytes: int = 4 << 30
    """Of one file, unpacked; a larger one is rejected."""

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1 or self.delimiter in '\r\n"':
            raise ValueError(f"delimiter is {self.delimiter!r:.20}; it must be one character")
        if not (0.05 <= self.every_s <= 86_400 and 0 <= self.settle_s <= 86_400 and self.maximum_bytes >= 1):
            raise ValueError("every_s must be 0.05 to 86400, settle_s 0 to 86400, maximum_bytes positive")
        try:
            line = "Az09\n".encode(self.encoding)
        except (LookupError, ValueError):
            line = b""
        if line != b"Az09\n":
            raise ValueError(f"encoding is {self.encoding!r:.60}; write it like utf-8, cp1252 or latin-1")
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"there is no time zone {self.time_zone!r:.60}; write it like Europe/Berlin") from None
