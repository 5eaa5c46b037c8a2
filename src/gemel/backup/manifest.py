"""What a backup says of itself."""

from __future__ import annotations

from pathlib import Path

import msgspec

from gemel.backup.files import Stored
from gemel.errors import Corrupt

__all__ = ["FORMAT", "MANIFEST", "Manifest"]

FORMAT = 1
MANIFEST = "manifest.json"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`manifest.json`: one consistent moment of a plant, and every file that it is made of."""

    format: int = FORMAT
    id: str
    gemel: str
    """The version that made it."""
    made: int
    """Microseconds since the epoch, UTC."""
    epoch: str = ""
    """Which life of the plant it is of; empty for the first."""
    position: int
    """The plant as it was at this position of its journal: nothing before it is missing, nothing after it is in."""
    sequence: int
    head: str
    """Hash of the journal at the position, hexadecimal."""
    recorded: int
    """When the last block in it was sealed: the moment that it brings back."""
    history: int
    """Up to this position the past is in Parquet; the rest is in the journal."""
    schema: str
    """The database's last migration."""
    database: str
    """Where the plant had its database (no password), for who wants it there again; empty: in its folder."""
    secrets: bool
    """Whether the folder of secrets is in it (keys of its own certificate authority)."""
    log: int | None
    """Where the log goes on from it; None where nothing followed the journal."""
    log_after: str = ""
    """What the first segment there must name as the one before it: no other backup's log is taken for this one's."""
    pause_s: float
    """How long the historian stood still for it; taking in does not wait at all."""
    seconds: float
    files: tuple[Stored, ...]
    """Relative to the backup's own folder."""
    shared: tuple[Stored, ...]
    """Relative to the vault's folder."""

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in (*self.files, *self.shared))

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Of a backup's folder. Raises Corrupt where it cannot be read, or is of a later form."""
        path = folder / MANIFEST
        try:
            data = path.read_bytes()
            told = msgspec.json.decode(data, type=_Form)
        except (OSError, msgspec.MsgspecError) as error:
            raise Corrupt(f"{path} cannot be read ({error!s:.200}); this is no whole backup") from error
        if told.format > FORMAT:
            raise Corrupt(
                f"{folder.name} was made by Gemel {told.gemel} in form {told.format}; this Gemel reads forms up to "
                f"{FORMAT}: restore it with {told.gemel} or later"
            )
        try:
            return msgspec.json.decode(data, type=cls)
        except msgspec.MsgspecError as error:
            raise Corrupt(f"{path} cannot be read ({error!s:.200}); this is no whole backup") from error


class _Form(msgspec.Struct):
    format: int
    gemel: str
