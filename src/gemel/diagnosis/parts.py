"""How the plant's own parts fare: journal, history, room on the disk, backups, clock, memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil

from gemel.clock import SECOND, to_rfc3339
from gemel.diagnosis.check import Check, bad, ok, warn
from gemel.diagnosis.plant import Plant
from gemel.twin import parse_duration

__all__ = ["backup", "clock", "computation", "disk", "history", "journal", "memory"]

SLOW_FSYNC_S, QUEUE, QUEUE_BYTES = 0.25, 10_000, 256_000_000
LATE_HISTORY_S = 60.0
LATE_COMPUTED_S = 10.0
LEAST_FREE_BYTES = 100_000_000
LEAST_MEMORY = 0.05
JUMP_S = 2.0
OLD_BACKUP_S, OLD_DRILL_S = 48 * 3600, 90 * 86_400
HOUR_S, DAY_S = 3600, 86_400
NTP = Path("/run/systemd/timesync/synchronized")


def journal(plant: Plant) -> Iterator[Check]:
    """Whether the writer runs, how long a commit takes, how much waits for it."""
    log, (waiting, size) = plant.journal, plant.intake.waiting()
    times = list(log.commit_times)
    p99 = float(np.quantile(times, 0.99)) if times else 0.0
    head = log.head()
    last = f"last commit {to_rfc3339(head.recorded)}" if head.sequence else "nothing written yet"
    told = f"{last}; a commit takes up to {1000 * p99:.0f} ms (p99); {waiting:,} submissions wait"
    if log.failed:
        way_out = "look after the disk, then restart; what was acknowledged is safe"
        yield bad("journal", f"the writer has stopped, nothing is taken in: {log.failed:.300}", way_out)
    elif waiting > QUEUE or size > QUEUE_BYTES:
        bound = f"{told} ({size / 1e6:,.0f} MB; more than {QUEUE:,}, or {QUEUE_BYTES / 1e6:,.0f} MB, is much)"
        yield warn("journal", bound, "sources send more than the disk takes: slow them, or give it a faster disk")
    elif p99 > SLOW_FSYNC_S:
        bound = f"{told}; more than {1000 * SLOW_FSYNC_S:.0f} ms is slow"
        yield warn("journal", bound, "the disk is slow at fsync: give the plant an SSD of its own, no network share")
    else:
        yield ok("journal", told)


def computation(plant: Plant) -> Iterator[Check]:
    """Whether computed properties keep up, and what cannot be computed."""
    standing = plant.computation.standing()
    down = [one for one in standing.functions if one.state == "down"]
    told = f"{standing.properties:,} computed properties; {standing.behind_s:.1f} s behind"
    if standing.broken:
        name, why = next(iter(standing.broken.items()))
        yield bad("computation", f"{len(standing.broken)} cannot be computed, {name}: {why:.300}", "mend their type")
    elif down:
        way_out = "its values are unavailable; it is started again by itself, `gemel compute status` tells more"
        yield warn("computation", f"the function {down[0].function} does not run: {down[0].error:.300}", way_out)
    elif standing.error:
        yield warn("computation", f"{told}: {standing.error:.300}", "it tries again by itself")
    elif standing.behind_s > LATE_COMPUTED_S:
        bound = f"{told}; more than {LATE_COMPUTED_S:.0f} s is late"
        yield warn("computation", bound, "fewer or simpler expressions, or a machine with more cores")
    else:
        yield ok("computation", told if standing.properties else "nothing is computed")


def history(plant: Plant) -> Iterator[Check]:
    """Whether the historian follows."""
    status = plant.history.status()
    told = (
        f"{status.waiting:,} readings and changes wait; {status.files:,} files; "
        f"the last commit took {status.last_commit_s:.2f} s"
    )
    if status.full:
        told += f"; no more of it fits in memory: what was is answered up to position {status.followed:,} until some is"
        told += " written, and the journal keeps the rest"
    if status.error:
        way_out = "it tries again by itself; meanwhile the journal keeps what is not in the history"
        yield bad("history", f"{status.error}; {told}" if status.full else status.error, way_out)
    elif status.full:
        yield warn("history", told, "nothing is lost; if it stays so, lower rates, or give the history a faster disk")
    elif status.lag_s > LATE_HISTORY_S:
        bound = f"it is {status.lag_s:,.0f} s behind (bound: {LATE_HISTORY_S:.0f} s); {told}"
        yield warn("history", bound, "the machine is too slow for what comes in: lower rates, or give it more cores")
    elif status.upkeep_error:
        way_out = "queries stay right and grow slower; the log tells more"
        yield warn("history", f"upkeep failed: {status.upkeep_error}", way_out)
    else:
        yield ok("history", told)


def disk(plant: Plant) -> Iterator[Check]:
    """The room that is used and left, and for how long it lasts."""
    room = plant.storage.standing()
    days = room.forecast.days
    lasts = "no growth that would fill it" if days is None else f"room for {days:,.0f} days at the present growth"
    if room.forecast.bytes_per_day is None:
        lasts = "its growth is known after ten minutes"
    used = f"{room.used / 1e9:,.2f} GB used, {room.documents / 1e9:,.2f} of them by documents"
    told = f"{used}; {room.left / 1e9:,.1f} GB left; {lasts}"
    if room.refuses:
        way_out = "raise `disk.budget`, shorten `retention.raw`, or set `disk.over: drop`, and restart"
        yield bad("disk", f"{told}; new readings are refused: {room.refuses}", way_out)
    elif room.free < LEAST_FREE_BYTES:
        bound = f"{told}; {room.free / 1e6:,.0f} MB are free on the disk (bound: {LEAST_FREE_BYTES / 1e6:,.0f} MB)"
        yield bad("disk", bound, "free space now: on a full disk nothing is taken in")
    elif plant.storage.error:
        yield warn("disk", f"it was not looked after: {plant.storage.error}", "it looks again in ten seconds")
    elif room.warnings:
        way_out = "`gemel storage` shows what takes it: shorten `retention.raw`, or give it a larger disk"
        yield warn("disk", f"{told}; {'; '.join(room.warnings)}", way_out)
    else:
        yield ok("disk", told)


def backup(plant: Plant) -> Iterator[Check]:
    """Whether there is one, how old it is, and whether it was tried."""
    standing, now = plant.backups.standing(), plant.clock.now()
    every_s = parse_duration(standing.every) if standing.every else None
    bound_s = 2 * every_s if every_s is not None else OLD_BACKUP_S
    if standing.error:
        yield bad("backup", standing.error, "`gemel backup create` tries again and tells more")
        return
    if standing.last_backup is None:
        if standing.running:
            yield ok("backup", f"the first one is being made: {100 * standing.part:.0f} %")
        else:
            way_out = "`gemel backup create` makes one" if standing.to else "set `backup: {to: FOLDER}` in gemel.yaml"
            yield warn("backup", "there is no backup yet", way_out)
        return
    age_s = (now - standing.last_backup) / SECOND
    told = f"the last one is {_age(age_s)} old"
    if standing.last_drill is None:
        drilled_s, drilled = None, "none was ever tried"
    else:
        drilled_s = (now - standing.last_drill) / SECOND
        drilled = f"one was tried {_age(drilled_s)} ago"
    if standing.last_drill_ok is False:
        way_out = "make one with `gemel backup create`, then try it with `gemel backup drill`"
        yield bad("backup", f"{told}, but {drilled} and answered otherwise than the plant", way_out)
    elif age_s > bound_s:
        way_out = "make one with `gemel backup create`; on a schedule: `backup: {to: …, every: 24h}` in gemel.yaml"
        yield warn("backup", f"{told} (bound: {_age(bound_s)}); {drilled}", way_out)
    elif drilled_s is None or drilled_s > OLD_DRILL_S:
        way_out = "`gemel backup drill` restores one aside and compares its answers"
        yield warn("backup", f"{told}; {drilled} (bound: {_age(OLD_DRILL_S)})", way_out)
    else:
        yield ok("backup", f"{told}; {drilled}")


def _age(seconds: float) -> str:
    if seconds < 2 * HOUR_S:
        return f"{max(0.0, seconds) / 60:.0f} min"
    return f"{seconds / HOUR_S:.0f} h" if seconds < 2 * DAY_S else f"{seconds / DAY_S:,.0f} days"


def clock(plant: Plant, started: tuple[int, float]) -> Iterator[Check]:
    """Whether this machine's clock was set. `started`: what both clocks told at the start."""
    now = plant.clock
    drift = (now.now() - started[0]) / SECOND - (now.monotonic() - started[1])
    if abs(drift) > JUMP_S:
        told = f"this machine's clock was set by {drift:+,.1f} s since the start (bound: {JUMP_S:.0f} s)"
        way_out = "let NTP steer it slowly (chrony, systemd-timesyncd); order is by position all the same"
        yield warn("clock", told, way_out)
    elif NTP.exists():
        yield ok("clock", "NTP holds it")
    else:
        yield ok("clock", "it did not jump since the start; NTP's state cannot be read here")


def memory() -> Iterator[Check]:
    """What this process takes, and what is free for all."""
    free, own = psutil.virtual_memory(), psutil.Process(os.getpid()).memory_info().rss
    told = f"this process takes {own / 1e6:,.0f} MB; {free.available / 1e6:,.0f} MB are free for all"
    if free.available < LEAST_MEMORY * free.total:
        bound = f"{told} (bound: {LEAST_MEMORY * free.total / 1e6:,.0f} MB)"
        yield warn("memory", bound, "stop other programs, or give the machine more memory")
    else:
        yield ok("memory", told)
