"""On which platform a command acts: a folder (`--at plant/`) or a server (`--at https://…`)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

import gemel
from gemel.errors import FolderInUse, NotFound

__all__ = ["Owner", "Target", "target"]


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """What the process that serves a folder leaves in it, so that commands on the same machine find it."""

    process: int
    url: str = ""
    token: str = ""


class Target:
    """Set by the global options; opened by the command."""

    def __init__(self) -> None:
        self.at = os.environ.get("GEMEL_AT", "plant")
        self.token: str | None = None

    @property
    def is_url(self) -> bool:
        return self.at.startswith(("http://", "https://"))

    @contextmanager
    def open(self, *, create: bool = False) -> Iterator[Any]:
        """The platform or a client of it; both have the same verbs.

        A folder that a server on this machine has open is reached through that server. Raises NotFound for a folder
        that is not there, unless `create`.
        """
        token = self.token or os.environ.get("GEMEL_TOKEN")
        if self.is_url:
            with gemel.connect(self.at, token=token) as client:
                yield client
            return
        folder = Path(self.at)
        if not create and not (folder / "gemel.lock").exists():
            raise NotFound(
                f"there is no plant in {folder}; make one with `gemel --at {folder} apply plant.yaml`, or name another "
                "with --at FOLDER or --at URL (or GEMEL_AT)"
            )
        try:
            platform = gemel.open(folder)
        except FolderInUse:
            owner = served(folder)
            if owner is None or not owner.url:
                raise
            with gemel.connect(owner.url, token=token or owner.token) as client:
                yield client
            return
        with platform:
            yield platform


def served(folder: Path) -> Owner | None:
    """Who serves the folder, if it said so; the file is readable by its owner alone."""
    try:
        return msgspec.json.decode((folder / "gemel.owner").read_bytes(), type=Owner)
    except (OSError, msgspec.DecodeError):
        return None


target = Target()
