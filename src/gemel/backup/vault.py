"""The folder that backups go to: which there are, whether they are whole, and which may go."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from gemel.backup.files import Stored, copy, digest
from gemel.backup.manifest import MANIFEST, Manifest
from gemel.disk import sync
from gemel.erasure import LEDGER
from gemel.errors import Corrupt, InvalidInput, NotFound

__all__ = ["DRAFT", "Progress", "Vault", "check"]

DRAFT = ".draft"
_README = """Backups of a Gemel plant.

backups/<id>/manifest.json   what the backup holds: position, hash of the journal, every file with its SHA-256
backups/<id>/gemel.sqlite    registry, journal, accounts (SQLite)
backups/<id>/catalogue.sqlite, state/, loads/, gemel.yaml
history/                     Parquet files, shared by all backups: do not delete them one by one
documents/                   contents of documents, named by their SHA-256: the same
erasures.json                who and what was erased (ids only): every restore erases it again
log/                         what was committed after a backup, for restores to any moment

Restore with: gemel backup restore THIS-FOLDER NEW-FOLDER
Passwords are in here as argon2 hashes; whoever reads this reads the plant.
"""

Progress = Callable[[float], None]
"""Called with the part that is done, 0 to 1."""


class Vault:
    """`backups/`, `history/` and `log/` below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def make(cls, folder: Path) -> Vault:
        """The vault in a folder, which is made when it is new. Raises InvalidInput if other things lie there."""
        vault = cls(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            mine = vault.backups.is_dir()
            if not mine and any(folder.iterdir()):
                raise InvalidInput(f"{folder} holds other things; name a new or empty folder for backups")
            folder.chmod(0o700)
            vault.backups.mkdir(exist_ok=True)
            readme = folder / "README.txt"
            if not readme.exists():
                readme.write_text(_README)
        except OSError as error:
            raise InvalidInput(f"backups cannot be kept in {folder}: {error.strerror}") from error
        return vault

    @property
    def backups(self) -> Path:
        return self.folder / "backups"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def ledger(self) -> Path:
        """What was erased up to now, whichever backup is restored: the newest copy of the plant's own."""
        return self.folder / LEDGER

    def note_erased(self, plant: Path) -> None:
        """Take over the plant's ledger of erasures, if it has changed."""
        told = plant / LEDGER
        if told.exists() and (not self.ledger.exists() or told.read_bytes() != self.ledger.read_bytes()):
            copy(told, self.ledger)
            sync(self.folder)

    def place(self, id: str) -> Path:
        return self.backups / id

    def all(self) -> list[Manifest]:
        """Every whole backup, the oldest first. Raises NotFound if this is no vault."""
        if not self.backups.is_dir():
            raise NotFound(f"there are no backups in {self.folder}; make one with `gemel backup create {self.folder}`")
        found = [path for path in self.backups.iterdir() if (path / MANIFEST).exists() and path.name[0] != "."]
        return sorted(map(Manifest.read, found), key=lambda one: (one.made, one.position))

    def newest(self, id: str = "") -> Manifest:
        """One backup, or the newest. Raises NotFound."""
        listed = self.all()
        chosen = [one for one in listed if one.id == id] if id else listed
        if not chosen:
            known = ", ".join(one.id for one in listed[-5:])
            raise NotFound(f"there is no backup {id!r:.80} in {self.folder}" + (f"; there is {known}" if known else ""))
        return chosen[-1]

    def verify(self, manifest: Manifest, *, progress: Progress | None = None) -> None:
        """Compute every hash again. Raises Corrupt with the first file that is missing or not as it was written."""
        done = 0
        for root, files in ((self.place(manifest.id), manifest.files), (self.folder, manifest.shared)):
            for file in files:
                check(root, file)
                done += file.size
                if progress is not None:
                    progress(done / max(1, manifest.size))

    def write(self, draft: Path, manifest: Manifest) -> None:
        """The last step of a backup: with its manifest it is one."""
        path = draft / MANIFEST
        with path.open("wb") as out:
            out.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
            out.flush()
            os.fsync(out.fileno())
        sync(draft)
        draft.rename(self.place(manifest.id))
        sync(self.backups)

    def keep(self, count: int) -> list[str]:
        """Delete all but the newest `count` backups, and the shared files that no other needs. Returns their ids."""
        listed = self.all()
        gone, kept = listed[:-count], listed[-count:]
        for one in gone:
            (self.place(one.id) / MANIFEST).unlink()  # from here on it is no backup
            shutil.rmtree(self.place(one.id))
        needed = {file.path for one in kept for file in one.shared}
        if gone:
            for path in (self.folder / "history").rglob("*"):  # documents stay: a plant never takes one away
                if path.is_file() and path.relative_to(self.folder).as_posix() not in needed:
                    path.unlink()
        return [one.id for one in gone]


def check(root: Path, file: Stored) -> None:
    """Raises Corrupt if the file is missing or is not as it was written."""
    path = root / file.path
    if not path.is_file():
        raise Corrupt(f"{path} is missing from the backup; restore an earlier one")
    if path.stat().st_size != file.size or digest(path) != file.sha256:
        raise Corrupt(f"{path} is not as it was written; restore an earlier one")
