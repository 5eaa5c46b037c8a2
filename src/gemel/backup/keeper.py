"""Backups of a running plant: on demand, on schedule, with the log after them; one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec
import structlog
from sqlalchemy import Connection

from gemel.backup.compare import Asked
from gemel.backup.create import create
from gemel.backup.drill import Drill, drill, drilled_change
from gemel.backup.log import Log
from gemel.backup.manifest import Manifest
from gemel.backup.vault import Progress, Vault
from gemel.clock import SECOND
from gemel.errors import Conflict, GemelError, InvalidInput
from gemel.folder import BackupSettings
from gemel.history import EventQuery
from gemel.twin import Change, Position, parse_duration

__all__ = ["MADE_KIND", "Keeper", "Standing"]

MADE_KIND, FAILED_KIND = "backup.made", "backup.failed"
LOOK_S = 60.0
FOLLOW_S = 2.0
_log = structlog.get_logger("gemel.backup")

Journal = Callable[[Callable[[Connection], Sequence[Change]]], Position]
"""Journals what a piece of work returns; gives the position (`Platform.change`)."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How the backups stand: what a health page shows."""

    to: str
    every: str
    running: str
    """What is being done: create, drill; empty if nothing."""
    part: float
    """How much of that is done, 0 to 1."""
    last_backup: int | None
    """When the last one succeeded; microseconds since the epoch."""
    last_position: int | None
    last_drill: int | None
    last_drill_ok: bool | None
    error: str
    """Why the last scheduled one, or the log, failed."""
    logged: int | None
    """Up to this position any moment can be restored; None where the log is not kept."""


class Keeper:
    """The backups of one open platform."""

    def __init__(
        self,
        plant: Asked,
        settings: BackupSettings,
        journal: Journal,
        opened: Callable[[Path], AbstractContextManager[Asked]],
    ) -> None:
        """`opened`: opens a restored folder for a drill, connectors still. Raises InvalidInput for settings that do
        not go together."""
        self._plant = plant
        self._settings = settings
        self._journal = journal
        self._opened = opened
        self._idle = threading.Condition()
        self._running, self._part, self._made = "", 0.0, 0
        self._error = ""
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self.log: Log | None = None
        """What follows the database after a backup, where that is set."""
        self._newest: Manifest | None = None
        if settings.follow and not settings.to:
            raise InvalidInput("backup.follow needs backup.to: the folder that backups go to")
        if settings.to:
            if _inside(Path(settings.to), plant.folder.path):
                raise InvalidInput(f"backup.to {settings.to} is inside the plant's own folder; name one outside of it")
            self._every_s = parse_duration(settings.every)
            if settings.follow:
                vault = Vault.make(Path(settings.to))
                self.log = Log(plant.database, vault.log, every_s=settings.follow_every_s)

    def start(self) -> None:
        """Begin with the schedule, if there is one."""
        if self._settings.to:
            if self.log is not None:
                self.log.start()
            self._thread = threading.Thread(target=self._keep, name="gemel-backups", daemon=True)
            self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        if self.log is not None:
            self.log.close()

    def wait_made(self, count: int, timeout_s: float) -> bool:
        """Whether so many backups were made (or tried) since the opening, and none is under way, within the time."""
        with self._idle:
            return self._idle.wait_for(lambda: self._made >= count and not self._running, timeout_s)

    @property
    def floor(self) -> Position | None:
        """The journal must keep the readings after this position: restores to a moment need them. None: no need."""
        if self.log is None:
            return None
        return self._newest.history if self._newest is not None else 0

    def vault(self, to: Path | None = None) -> Vault:
        """Raises InvalidInput if no place is named and none is set."""
        if to is None and not self._settings.to:
            raise InvalidInput("name the folder for backups, or set `backup: {to: …}` in gemel.yaml")
        return Vault(to or Path(self._settings.to))

    def make(
        self, to: Path | None = None, *, secrets: bool | None = None, actor: str = "", progress: Progress | None = None
    ) -> Manifest:
        """Back up now. Raises Conflict while another is made, InvalidInput, StorageFull and the like."""
        if to is not None and _inside(to, self._plant.folder.path):
            raise InvalidInput(f"{to} is inside the plant's own folder; name one outside of it")
        scheduled = to is None or str(to) == self._settings.to
        vault = Vault.make(self.vault(to).folder)
        vault.note_erased(self._plant.folder.path)
        with _Doing(self, "create", progress) as told:
            made = create(
                self._plant,
                vault,
                with_secrets=self._settings.secrets if secrets is None else secrets,
                log=self.log if scheduled else None,
                progress=told,
            )
            if scheduled:
                self._newest = made
                vault.keep(self._settings.keep)
                if self.log is not None:
                    self.log.prune(min(one.log for one in vault.all() if one.log is not None))
        self._say(
            MADE_KIND, actor, {"id": made.id, "position": made.position, "size": made.size, "to": str(vault.folder)}
        )
        return made

    def drill(
        self, source: Path | None = None, *, id: str = "", actor: str = "", progress: Progress | None = None
    ) -> Drill:
        """Restore a backup aside and compare its answers with ours; the result is journaled."""
        vault = self.vault(source)
        with _Doing(self, "drill", progress) as told:
            found = drill(self._plant, vault, self._opened, id=id, progress=told)
        change = msgspec.structs.replace(drilled_change(found, self._plant.clock.now()), actor=actor)
        self._journal(lambda _: [change])
        return found

    def standing(self) -> Standing:
        made = self._last(MADE_KIND)
        drilled = self._last("backup.drilled")
        return Standing(
            to=self._settings.to,
            every=self._settings.every if self._settings.to else "",
            running=self._running,
            part=self._part,
            last_backup=made.time if made else None,
            last_position=made.body.get("position") if made else None,
            last_drill=drilled.time if drilled else None,
            last_drill_ok=drilled.body.get("ok") if drilled else None,
            error=self._error or (self.log.error if self.log else ""),
            logged=self.log.position if self.log and not self.log.broken else None,
        )

    def _last(self, kind: str) -> Change | None:
        self._plant.history.wait(self._plant.state.position, FOLLOW_S)
        found = self._plant.history.events(EventQuery(kinds=(kind,), limit=1)).items
        return found[0].change if found else None

    def _say(self, kind: str, actor: str, body: dict[str, object]) -> None:
        said = Change(kind=kind, subject="plant", time=self._plant.clock.now(), source="backup", actor=actor, body=body)
        self._journal(lambda _: [said])

    def _keep(self) -> None:
        while not self._closing.is_set():
            self._note_erased()
            if self._due():
                try:
                    self.make()
                    self._error = ""
                except (GemelError, OSError) as error:
                    reason = getattr(error, "detail", None) or f"{error!s:.300}"
                    _log.error("the scheduled backup failed", error=reason)
                    if self._error != reason:
                        self._error = reason
                        self._say(FAILED_KIND, "", {"reason": reason, "to": self._settings.to})
            self._closing.wait(LOOK_S)

    def _note_erased(self) -> None:
        """What is erased stays erased, also in what is restored from a backup made before."""
        try:
            if (vault := self.vault()).backups.is_dir():
                vault.note_erased(self._plant.folder.path)
        except OSError as error:
            _log.error("the ledger of erasures could not be copied to the backups", error=f"{error!s:.300}")

    def _due(self) -> bool:
        """Whether the newest backup is too old, the log needs one to go on, or a bulk load came since."""
        folder = Path(self._settings.to)
        if self.log is not None and self.log.broken:
            return True
        listed = Vault(folder).all() if (folder / "backups").is_dir() else []
        if not listed:
            return self.log is not None or self._every_s is not None
        last = listed[-1]
        if self.log is not None and (loaded := self._last("history.loaded")) and loaded.time > last.made:
            return True  # rows of bulk loads are in no log
        age_s = (self._plant.clock.now() - last.made) / SECOND
        return self._every_s is not None and not 0 <= age_s < self._every_s


class _Doing:
    """One thing at a time, with its progress for others to see."""

    def __init__(self, keeper: Keeper, what: str, progress: Progress | None) -> None:
        self._keeper, self._what, self._progress = keeper, what, progress

    def __enter__(self) -> Progress:
        with self._keeper._idle:
            self._begin()
        return self._told

    def _begin(self) -> None:
        if self._keeper._running:
            raise Conflict("a backup or a drill is under way; try again when it is done (`gemel backup list` shows it)")
        self._keeper._running, self._keeper._part = self._what, 0.0

    def _told(self, part: float) -> None:
        self._keeper._part = part
        if self._progress is not None:
            self._progress(part)

    def __exit__(self, *_: object) -> None:
        with self._keeper._idle:
            self._keeper._running, self._keeper._part = "", 0.0
            self._keeper._made += self._what == "create"
            self._keeper._idle.notify_all()


def _inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
