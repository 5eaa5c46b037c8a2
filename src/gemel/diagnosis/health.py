"""The health of an open plant: each part looked at, none touched."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import psutil
from cryptography import x509

from gemel.backup import Keeper
from gemel.clock import SECOND, Clock, to_rfc3339
from gemel.connectors.supervisor import Supervisor
from gemel.diagnosis.check import Check, Level
from gemel.errors import GemelError
from gemel.history import History
from gemel.intake import Intake
from gemel.journal import SqlJournal
from gemel.storage import Keeping

__all__ = ["Health", "certificate"]

SLOW_FSYNC_S, LATE_HISTORY_S, QUEUE = 0.25, 60.0, 10_000
JUMP_S = 2.0
CERTIFICATE_DAYS = 30
_FAULTS = ("lost", "blocked", "stopped", "failed")


class _Plant(Protocol):
    """What is looked at; an open platform is one."""

    journal: SqlJournal
    history: History
    intake: Intake
    supervisor: Supervisor
    storage: Keeping
    backups: Keeper
    clock: Clock


class Health:
    """Looks when it is asked, and remembers since when each part has been as it is."""

    def __init__(self, plant: _Plant, *, certificates: Sequence[Path] = ()) -> None:
        """`certificates`: PEM files to watch."""
        self._plant = plant
        self.certificates = list(certificates)
        self._lock = threading.Lock()
        self._since: dict[str, tuple[Level, int]] = {}
        self._started = plant.clock.now(), plant.clock.monotonic()
        self._quarantined: tuple[int, int] | None = None

    def look(self) -> list[Check]:
        """Every part, in the order of what a person asks first."""
        now, found = self._plant.clock.now(), []
        with self._lock:
            for looked in (
                self._journal,
                self._history,
                self._room,
                self._connectors,
                self._quarantine,
                self._backup,
                self._clock,
                self._certificates,
                self._memory,
            ):
                try:
                    checks = list(looked())
                except (GemelError, OSError) as error:
                    name = looked.__name__.strip("_")
                    told = error.detail if isinstance(error, GemelError) else str(error)
                    checks = [Check(part=name, level=Level.BAD, told=f"it could not be looked at: {told:.300}")]
                found += [self._dated(check, now) for check in checks]
        return found

    def _dated(self, check: Check, now: int) -> Check:
        level, since = self._since.get(check.part, (None, now))
        if level is not check.level:
            since = now
        self._since[check.part] = check.level, since
        return Check(part=check.part, level=check.level, told=check.told, way_out=check.way_out, since=since)

    def _journal(self) -> Iterator[Check]:
        journal, (waiting, size) = self._plant.journal, self._plant.intake.waiting()
        times = list(journal.commit_times)
        p99 = float(np.quantile(times, 0.99)) if times else 0.0
        head = journal.head()
        last = f"last commit {to_rfc3339(head.recorded)}" if head.sequence else "nothing written yet"
        told = f"{last}; a commit takes up to {1000 * p99:.0f} ms (p99); {waiting} submissions wait"
        if journal.failed:
            yield Check(
                part="journal",
                level=Level.BAD,
                told=f"the writer has stopped: {journal.failed:.300}",
                way_out="mend the disk, then restart; what was acknowledged is safe",
            )
        elif waiting > QUEUE or size > 256_000_000:
            yield Check(
                part="journal", level=Level.WARN, told=told, way_out="sources send more than the disk takes; slow them"
            )
        elif p99 > SLOW_FSYNC_S:
            yield Check(
                part="journal", level=Level.WARN, told=told, way_out="the disk is slow at fsync; use an SSD of its own"
            )
        else:
            yield Check(part="journal", level=Level.OK, told=told)

    def _history(self) -> Iterator[Check]:
        status = self._plant.history.status()
        told = (
            f"{status.waiting:,} readings and changes wait; {status.files:,} files; "
            f"the last commit took {status.last_commit_s:.2f} s"
        )
        if status.error:
            yield Check(
                part="history",
                level=Level.BAD,
                told=status.error,
                way_out="it tries again by itself; the journal keeps what is not in the history",
            )
        elif status.lag_s > LATE_HISTORY_S:
            yield Check(
                part="history",
                level=Level.WARN,
                told=f"it is {status.lag_s:.0f} s behind; {told}",
                way_out="the machine is too slow for what comes in; lower rates, or give it more cores",
            )
        elif status.upkeep_error:
            yield Check(
                part="history",
                level=Level.WARN,
                told=f"upkeep failed: {status.upkeep_error}",
                way_out="queries stay right and grow slower; look at the log",
            )
        else:
            yield Check(part="history", level=Level.OK, told=told)

    def _room(self) -> Iterator[Check]:
        room = self._plant.storage.standing()
        days = room.forecast.days
        lasts = "no growth that would fill it" if days is None else f"room for {days:,.0f} days at the present growth"
        if room.forecast.bytes_per_day is None:
            lasts = "its growth is known after ten minutes"
        told = f"{room.used / 1e9:,.2f} GB used, {room.left / 1e9:,.1f} GB left; {lasts}"
        if self._plant.storage.error:
            yield Check(part="disk", level=Level.WARN, told=self._plant.storage.error, way_out="it looks again in 10 s")
        elif room.free < 100_000_000:
            yield Check(part="disk", level=Level.BAD, told=told, way_out="free space now: nothing is taken in without")
        elif room.warnings:
            yield Check(
                part="disk",
                level=Level.WARN,
                told=f"{told}; {'; '.join(room.warnings)}",
                way_out="`gemel storage` shows what takes it; shorten `retention.raw`, or give it a larger disk",
            )
        else:
            yield Check(part="disk", level=Level.OK, told=told)

    def _connectors(self) -> Iterator[Check]:
        known = self._plant.supervisor.health()
        for id, one in sorted(known.items()):
            if one.state in _FAULTS or one.state == "waiting":
                level = Level.BAD if one.state in _FAULTS else Level.WARN
                told = one.detail or one.last_error or one.state
                yield Check(
                    part=f"connector {id}",
                    level=level,
                    told=f"{one.state}: {told}",
                    way_out="look whether its machine is on and can be reached; it tries again by itself",
                )
        well = sum(one.state in ("connected", "ended", "disabled") for one in known.values())
        yield Check(part="connectors", level=Level.OK, told=f"{well} of {len(known)} are well")

    def _quarantine(self) -> Iterator[Check]:
        page = self._plant.intake.quarantined(limit=1)
        newest = page.items[0].id if page.items else 0
        now = self._plant.clock.now()
        before, self._quarantined = self._quarantined, (now, newest)
        grown = newest - before[1] if before is not None else 0
        if grown > 0 and before is not None:
            yield Check(
                part="quarantine",
                level=Level.WARN,
                told=f"{grown:,} more were refused in the last {(now - before[0]) / SECOND:.0f} s",
                way_out="`gemel quarantine list` says why; mend the source or the type, then replay",
            )
        else:
            yield Check(part="quarantine", level=Level.OK, told="nothing new was refused" if newest else "it is empty")

    def _backup(self) -> Iterator[Check]:
        standing = self._plant.backups.standing()
        if standing.error:
            yield Check(part="backup", level=Level.BAD, told=standing.error, way_out="`gemel backup create` tells more")
        elif standing.last_backup is None:
            yield Check(
                part="backup",
                level=Level.WARN,
                told="there is no backup yet",
                way_out="set `backup.to` in gemel.yaml, or run `gemel backup create`",
            )
        elif standing.last_drill_ok is False:
            yield Check(
                part="backup",
                level=Level.BAD,
                told="the last restore drill failed",
                way_out="`gemel backup drill` again",
            )
        else:
            age = (self._plant.clock.now() - standing.last_backup) / SECOND / 3600
            drilled = "no drill yet" if standing.last_drill is None else f"drilled {to_rfc3339(standing.last_drill)}"
            level = Level.OK if age < 48 else Level.WARN
            way_out = "" if level is Level.OK else "make one with `gemel backup create`, or on a schedule: `backup.to`"
            yield Check(part="backup", level=level, told=f"the last one is {age:.0f} h old; {drilled}", way_out=way_out)

    def _clock(self) -> Iterator[Check]:
        clock = self._plant.clock
        drift = (clock.now() - self._started[0]) / SECOND - (clock.monotonic() - self._started[1])
        synced = Path("/run/systemd/timesync/synchronized").exists()
        if abs(drift) > JUMP_S:
            yield Check(
                part="clock",
                level=Level.WARN,
                told=f"this machine's clock was set by {drift:+.1f} s since the start",
                way_out="let NTP steer it slowly (chrony, systemd-timesyncd); readings keep their order by position",
            )
        else:
            told = "NTP holds it" if synced else "it did not jump since the start; NTP's state cannot be read here"
            yield Check(part="clock", level=Level.OK, told=told)

    def _certificates(self) -> Iterator[Check]:
        for path in self.certificates:
            yield certificate(path, self._plant.clock.now())

    def _memory(self) -> Iterator[Check]:
        memory, own = psutil.virtual_memory(), psutil.Process(os.getpid()).memory_info().rss
        told = f"this process takes {own / 1e6:,.0f} MB; {memory.available / 1e6:,.0f} MB are free for all"
        short = memory.available < 0.05 * memory.total
        way_out = "stop other programs, or give the machine more memory" if short else ""
        yield Check(part="memory", level=Level.WARN if short else Level.OK, told=told, way_out=way_out)


def certificate(path: Path, now: int) -> Check:
    """How long a PEM certificate is good for."""
    try:
        ends = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        return Check(
            part=f"certificate {path.name}",
            level=Level.BAD,
            told=f"{path} cannot be read: {error!s:.200}",
            way_out="give the PEM file of the certificate chain",
        )
    left = (round(ends.timestamp()) * SECOND - now) / SECOND / 86_400
    level = Level.OK if left > CERTIFICATE_DAYS else Level.WARN if left > 0 else Level.BAD
    told = f"{path.name} is good for {left:,.0f} more days" if left > 0 else f"{path.name} ended {-left:,.0f} days ago"
    return Check(
        part=f"certificate {path.name}", level=level, told=told, way_out="" if level is Level.OK else "renew it"
    )
