"""The historian: follows the journal into the lake. Nobody else touches the catalogue."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from gemel.clock import Clock
from gemel.disk import refusals
from gemel.errors import Corrupt
from gemel.history.derived import Derived
from gemel.history.errands import Errands
from gemel.history.filing import tables_of_parts
from gemel.history.forgotten import Forgotten, Limits
from gemel.history.lake import Lake
from gemel.history.load import LOADED_KIND, selects, staged, staged_folder
from gemel.history.maintenance import Dropped, Maintenance
from gemel.history.published import View, Views, file_tables, write_index
from gemel.history.status import Settings, Stage, Status
from gemel.history.sums import tidy
from gemel.history.tables import LOADED
from gemel.history.tail import Fact, Tail
from gemel.journal import Journal

__all__ = ["Historian"]

log = logging.getLogger(__name__)
T = TypeVar("T")

_LOOK_S = 30.0
"""How often maintenance looks for work while nothing is committed."""
_FOLLOW_S = 0.1
"""How long one wait for the journal may last: closing takes no longer."""


class Historian:
    """Two threads: one follows the journal into the tail, one moves the tail into the lake."""

    def __init__(
        self,
        folder: Path,
        journal: Journal,
        clock: Clock,
        *,
        views: Views,
        settings: Settings,
        catalogue_url: str | None,
    ) -> None:
        self.folder = folder
        self._marker = folder / "open"
        self.pace = settings.pace
        self._upkeep = settings.upkeep
        self._journal = journal
        self._clock = clock
        self._views = views
        self._catalogue_url = catalogue_url
        self._wake = threading.Condition()
        self._stopping = False
        self._flush_to = 0
        self._load_at = 0
        self.damage: Corrupt | None = None
        """Of the journal, after what was followed."""
        self._doubtful = False
        self._orders: list[Fact] = []
        self._errands = Errands()
        self._loads: Mapping[str, int] = {}
        self._rest = False
        self._forgotten: Mapping[str, Forgotten] = {}
        self._limits = Limits()
        self._maintenance: Maintenance
        self._status = Status()
        self._opened = threading.Event()
        self._open_error: BaseException | None = None
        self._lake: Lake
        self._tail: Tail
        self._writer = threading.Thread(target=self._run, name="gemel-historian", daemon=True)
        self._follower = threading.Thread(target=self._follow, name="gemel-history-follower", daemon=True)

    def start(self) -> None:
        """Open the lake and begin; raises what opening it raised."""
        self._writer.start()
        self._opened.wait()
        if self._open_error is not None:
            self._writer.join()
            raise self._open_error
        self._follower.start()

    def status(self) -> Status:
        head = self._journal.head().position
        status, oldest = self._status, self._tail.oldest
        return replace(
            status,
            followed=self._views.current.position,
            waiting=max(0, head - status.stored),
            lag_s=0.0 if oldest is None else self._clock.monotonic() - oldest,
            full=self._full,
        )

    def flush(self, position: int) -> None:
        """Ask for everything up to `position` to be stored soon; wait for it with `Views.wait`."""
        with self._wake:
            self._flush_to = max(self._flush_to, position)
            self._wake.notify_all()

    @property
    def loads(self) -> Mapping[str, int]:
        """Hash → position of every bulk load that is in."""
        return self._loads

    def refold(self, fact: Fact) -> None:
        """Take in a load that the journal tells of and whose staged rows had been lost; they are staged again."""
        with self._wake:
            self._orders.append(fact)
            self._wake.notify_all()

    def between_commits(self, work: Callable[[Lake], T]) -> Future[T]:
        """Have the historian's thread do `work` soon; nothing is committed, merged or deleted while it runs."""
        with self._wake:
            done = self._errands.put(work)
            self._wake.notify_all()
        return done

    def wait_loaded(self, digest: str, timeout_s: float) -> bool:
        """Whether the load of this hash was taken in within the time."""
        with self._wake:
            return (
                self._wake.wait_for(lambda: digest in self._loads or self._stopping, timeout_s) and not self._stopping
            )

    def upkeep(self, timeout_s: float) -> bool:
        """Do all maintenance that is due now; whether it was done within the time."""
        with self._wake:
            self._rest = False
            self._wake.notify_all()
            return self._wake.wait_for(lambda: self._rest or self._stopping, timeout_s)

    def retain(self, limits: Limits) -> None:
        """From now on drop what is older than this, a day at a time."""
        with self._wake:
            if limits != self._limits:
                self._limits, self._rest = limits, False
                self._wake.notify_all()

    def taken_dropped(self) -> list[Dropped]:
        """What was dropped for its age since the last call."""
        dropped = self._maintenance.dropped
        return [dropped.popleft() for _ in range(len(dropped))]

    def erase(self, number: int, twin: str) -> Future[dict[str, int]]:
        """Write every file anew that holds something of the twin of this number and id; see `Maintenance.erase`."""
        return self.between_commits(lambda _: self._maintenance.erase(number, twin))

    def close(self) -> None:
        """Stop after the commit under way; what is not stored stays in the journal."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        if self._follower.ident is not None:
            self._follower.join()
        self._writer.join()
        self._status = replace(self._status, stage=Stage.STOPPED)

    # the follower's thread

    @property
    def _full(self) -> bool:
        return self._tail.size >= self.pace.tail_bytes

    def _may_follow(self) -> bool:
        """There is room, and the last load is in: nothing after a load is answered before the load is."""
        return not self._full and self._views.current.stored >= self._load_at

    def _follow(self) -> None:
        while not self._stopping:
            try:
                with self._wake:
                    self._wake.wait_for(lambda: self._may_follow() or self._stopping)
                if not self._journal.wait(self._tail.position + 1, _FOLLOW_S):
                    continue
                self._take_blocks()
            except Exception as error:
                self.damage = error if isinstance(error, Corrupt) else None
                self._failed("cannot follow the journal", error)
                self._pause()

    def _take_blocks(self) -> None:
        for block in self._journal.blocks(after=self._tail.position):
            with self._wake:
                if not self._may_follow() or self._stopping:
                    return  # it is waited for without the blocks that come next in hand: they are memory too
                self._tail.append(block, self._clock.monotonic())
                self._publish()
                self._wake.notify_all()
                if any(change.kind == LOADED_KIND for change in block.changes):
                    self._load_at = block.last
                    self._flush_to = max(self._flush_to, block.last)

    # the historian's thread

    def _run(self) -> None:
        try:
            with refusals(f"the history in {self.folder}"):
                self._open()
        except BaseException as error:
            self._open_error = error
            return
        finally:
            self._opened.set()
        try:
            while self._wait_for_work():
                try:
                    self._work()
                    self._status = replace(self._status, stage=Stage.RUNNING, error="", failures=0)
                except Exception as error:
                    self._failed("cannot write history", error)
                    self._doubtful = True
                    self._pause()
        finally:
            with self._wake:
                self._errands.close()
            self._maintenance.close()
            self._lake.close()
            self._marker.unlink(missing_ok=True)

    def _open(self) -> None:
        lake = Lake(self.folder, catalogue_url=self._catalogue_url)
        try:
            lake.check_against(self._journal.head().position)
            if not self._journal.whole_after(lake.position):
                raise Corrupt(
                    f"the history in {self.folder} ends at position {lake.position}, and the journal has dropped "
                    "readings after it, because the history had them; restore the folder `history` from a backup"
                )
            if self._marker.exists():  # it was not closed: files of an unfinished commit may lie about
                lake.remove_orphans()
            self._marker.touch()
            tidy(self.folder)
            self._lake = lake
            self._tail = Tail(lake.position, self.pace.commit_bytes)
            self._loads = lake.loaded()
            self._forgotten = Forgotten.by_table(lake.forgotten())
            self._status = replace(self._status, stage=Stage.RUNNING, stored=lake.position)
            self._publish(stored=True, derived=Derived.found(self.folder))
            write_index(self.folder, lake.position, lake.files)
        except BaseException:
            lake.close()
            raise
        self._maintenance = Maintenance(lake, self._views, self._clock, upkeep=self._upkeep, republish=self._derive)

    def _work(self) -> None:
        """One commit, or one step of maintenance; a commit comes first unless files crowd."""
        self._errands.run(self._lake)
        if self._orders:
            self._refold()
        if not self._due() or (not self._doubtful and self._maintenance.merge_overdue()):
            self._maintain()
        if self._due():
            self._commit()
            self._rest = False

    def _maintain(self) -> None:
        """Upkeep may fail without stopping what matters more; it is tried again later."""
        try:
            rest = not self._maintenance.step(self._limits)
            self._status = replace(self._status, upkeep_error="")
        except Exception as error:
            log.exception("upkeep of the history failed")
            self._status = replace(self._status, upkeep_error=_reason(error))
            rest = self._doubtful = True
        with self._wake:
            self._rest = rest
            self._wake.notify_all()

    def _wait_for_work(self) -> bool:
        """Wait until a commit is due or maintenance may find something; False when it is time to stop."""
        with self._wake:
            while not self._stopping:
                if self._due() or not self._rest or self._orders or self._errands:
                    return True
                left = _LOOK_S
                if (oldest := self._tail.oldest) is not None:
                    left = max(0.0, min(left, self.pace.commit_s - (self._clock.monotonic() - oldest)))
                if not self._wake.wait(left) and not self._due():
                    self._rest = False
        return False

    def _due(self) -> bool:
        if self._doubtful:
            return True
        oldest = self._tail.oldest
        if oldest is None:
            return False
        many = self._tail.count >= self.pace.commit_rows or self._tail.size >= self.pace.commit_bytes
        if many or self._flush_to > self._status.stored:
            return True
        return self._clock.monotonic() - oldest >= self.pace.commit_s

    def _commit(self) -> None:
        if self._doubtful:  # what failed may have been done all the same: only the catalogue knows
            self._lake.recover()
            self._doubtful = False
        with self._wake:
            parts = self._tail.freeze()
        if not parts:
            return
        begun = self._clock.monotonic()
        unstored = [part for part in parts if part.last > self._lake.position]
        if unstored:
            loads = [fact for part in unstored for fact in part.facts if fact.change.kind == LOADED_KIND]
            self._lake.commit(tables_of_parts(unstored), parts[-1].last, also=self._selects(loads))
            self._forget_staged()
        write_index(self.folder, self._lake.position, self._lake.files)
        rows = sum(part.count for part in parts)
        self._status = replace(
            self._status,
            stored=self._lake.position,
            commits=self._status.commits + 1,
            rows=self._status.rows + rows,
            last_commit_s=self._clock.monotonic() - begun,
            files=len(self._lake.files),
        )
        with self._wake:
            self._tail.drop_frozen()
            self._publish(stored=True)
            self._wake.notify_all()

    def _selects(self, loads: Sequence[Fact]) -> list[tuple[str, str]]:
        """What takes in the staged rows of these loads, and notes that they are in."""
        done = self._lake.loaded()
        found = []
        for fact in loads:
            digest = str(fact.change.body.get("hash", ""))
            if digest in done:
                continue
            held = staged(self.folder, digest)
            if held is None:
                log.error("the staged rows of load %s are missing; load the same file again", digest)
                continue
            done[digest] = fact.position
            found += selects(self.folder, held, fact.position, fact.recorded)
            found.append(
                (LOADED, f"SELECT '{held.hash}', CAST({fact.position} AS BIGINT), CAST({held.rows} AS BIGINT)")
            )
        return found

    def _refold(self) -> None:
        """Take in what was staged again after its rows had been lost."""
        with self._wake:
            orders, self._orders = self._orders, []
        also = self._selects(orders)
        if also:
            self._lake.commit({}, self._lake.position, also=also)
            self._forget_staged()
            self._derive(self._views.current.derived)
        with self._wake:
            self._loads = self._lake.loaded()
            self._wake.notify_all()

    def _forget_staged(self) -> None:
        self._loads = self._lake.loaded()
        for digest in self._loads:
            shutil.rmtree(staged_folder(self.folder, digest), ignore_errors=True)

    def _publish(self, *, stored: bool = False, derived: Derived | None = None) -> None:
        view = self._views.current
        files = file_tables(self._lake.files, self._forgotten) if stored else view.files
        position = self._lake.position if stored else view.stored
        self._views.publish(View(files, position, self._tail.parts, derived or view.derived))

    def _derive(self, derived: Derived) -> None:
        """Publish other keyframes and roll-ups, and the files as they are after merging or dropping."""
        self._forgotten = Forgotten.by_table(self._lake.forgotten())
        write_index(self.folder, self._lake.position, self._lake.files)
        with self._wake:
            self._publish(stored=True, derived=derived)

    def _failed(self, what: str, error: Exception) -> None:
        log.exception("%s", what)
        failures = self._status.failures + 1
        self._status = replace(self._status, stage=Stage.FAILED, error=f"{what}: {_reason(error)}", failures=failures)

    def _pause(self) -> None:
        pause = min(self.pace.retry_s * 2 ** (self._status.failures - 1), self.pace.retry_most_s)
        with self._wake:
            self._wake.wait_for(lambda: self._stopping, pause)


def _reason(error: Exception) -> str:
    text = f"{error!s:.300}"
    if "no space left" in text.lower() or "disk is full" in text.lower():
        return f"the disk that holds the history is full; free space, it goes on by itself ({text})"
    return text
