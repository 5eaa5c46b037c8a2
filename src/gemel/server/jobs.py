"""Work that lasts: begun by one request, looked at and ended by others. Kept in memory; what goes on is also in a small
file, so that the next run of the server tells what was broken off."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from gemel.access.store import new_id
from gemel.clock import Clock
from gemel.disk import refusals, write_whole
from gemel.errors import Conflict, GemelError, NotFound, Overloaded

__all__ = ["Job", "Jobs"]

AT_ONCE, WAITING, KEPT = 2, 20, 200
FILE = "jobs.json"
BROKEN_OFF = "it was broken off when the server ended; what it had written stays. Ask for it again"
Progress = Callable[[float], None]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of work."""

    id: str
    kind: str
    about: str
    state: str
    """waiting, running, done, failed, cancelled."""
    part: float = 0.0
    """How much of it is done, 0 … 1."""
    actor: str
    asked: int
    """Microseconds since the epoch, UTC."""
    ended: int | None = None
    error: str = ""
    result: Any = None

    @property
    def over(self) -> bool:
        return self.ended is not None


class _Cancelled(BaseException):
    """Thrown into the work where it tells how far it is."""


class Jobs:
    """A few at a time. Any thread."""

    def __init__(self, clock: Clock, folder: Path) -> None:
        """`folder`: of the plant; what an earlier run of the server did not end is told as failed."""
        self._clock, self._file = clock, folder / FILE
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="gemel-job")
        self._changed = threading.Condition()
        self._closing = False
        self._known = self._broken_off()
        self._errors: dict[str, GemelError] = {}
        self._unwanted: set[str] = set()

    def _broken_off(self) -> dict[str, Job]:
        try:
            left = msgspec.json.decode(self._file.read_bytes(), type=list[Job])
        except (FileNotFoundError, msgspec.MsgspecError):
            return {}
        ended = self._clock.now()
        told = [msgspec.structs.replace(one, state="failed", error=BROKEN_OFF, ended=ended) for one in left]
        return {one.id: one for one in told}

    def _note(self) -> None:
        """Put what goes on into the file; at the end of the server it stays there as it was."""
        if not self._closing:
            open_jobs = [msgspec.structs.replace(one, result=None) for one in self._known.values() if not one.over]
            with refusals("the list of jobs"):
                write_whole(self._file, msgspec.json.encode(open_jobs))

    def start(self, kind: str, about: str, work: Callable[[Progress], Any], *, actor: str) -> Job:
        """Begin `work(progress)`, or let it wait for its turn. Raises Overloaded when too many wait already."""
        with self._changed:
            if sum(not job.over for job in self._known.values()) >= AT_ONCE + WAITING:
                raise Overloaded(f"{WAITING} jobs wait already; try again when some have ended", retry_after_s=30.0)
            job = Job(id=new_id("job"), kind=kind, about=about, state="waiting", actor=actor, asked=self._clock.now())
            self._known[job.id] = job
            for old in [one.id for one in self._known.values() if one.over][: max(0, len(self._known) - KEPT)]:
                self._known.pop(old)
                self._errors.pop(old, None)
            self._note()
        self._pool.submit(self._run, job.id, work)
        return job

    def _run(self, id: str, work: Callable[[Progress], Any]) -> None:
        def progress(part: float) -> None:
            with self._changed:
                if id in self._unwanted:
                    raise _Cancelled
                self._set(id, part=part)

        try:
            progress(0.0)
            self._put(id, state="running")
            self._put(id, state="done", part=1.0, result=work(progress), ended=self._clock.now())
        except _Cancelled:
            self._put(id, state="cancelled", ended=self._clock.now())
        except GemelError as error:
            self._errors[id] = error
            self._put(id, state="failed", error=error.detail, ended=self._clock.now())
        except Exception as error:
            self._put(id, state="failed", error=f"{type(error).__name__}: {error!s:.300}", ended=self._clock.now())
            raise

    def _put(self, id: str, **fields: Any) -> None:
        with self._changed:
            self._set(id, **fields)
            if self._known[id].over:
                with suppress(GemelError):  # a full disk: at worst it is told as broken off later
                    self._note()

    def _set(self, id: str, **fields: Any) -> None:
        self._known[id] = msgspec.structs.replace(self._known[id], **fields)
        self._changed.notify_all()

    def all(self) -> list[Job]:
        """The newest first."""
        with self._changed:
            return list(self._known.values())[::-1]

    def get(self, id: str, *, wait_s: float = 0.0) -> Job:
        """Once it is over, or after so many seconds. Raises NotFound."""
        with self._changed:
            if id not in self._known:
                raise NotFound(f"there is no job {id!r:.60}; GET /jobs lists them")
            self._changed.wait_for(lambda: self._known[id].over, wait_s)
            return self._known[id]

    def outcome(self, id: str, *, wait_s: float) -> Job:
        """The same; raises what the work raised, if it failed in that time."""
        job = self.get(id, wait_s=wait_s)
        if (error := self._errors.get(id)) is not None:
            raise error
        return job

    def cancel(self, id: str) -> Job:
        """End it where it next tells how far it is; what it has written stays. Raises NotFound, Conflict."""
        job = self.get(id)
        if job.over:
            raise Conflict(f"{id} is {job.state} already")
        self._unwanted.add(id)
        return job

    def close(self) -> None:
        """End all of them, and wait for that; the next run of the server tells that they were broken off."""
        self._closing = True
        self._unwanted.update(job.id for job in self.all())
        self._pool.shutdown(wait=True, cancel_futures=True)
