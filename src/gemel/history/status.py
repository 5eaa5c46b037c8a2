"""How the historian works, and how it fares."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from gemel.history.maintenance import Upkeep

__all__ = ["Pace", "Settings", "Stage", "Status"]


class Stage(StrEnum):
    """What the historian is at."""

    STARTING = "starting"
    RUNNING = "running"
    FAILED = "failed"
    """The last commit failed; it tries again by itself. Nothing is lost: the journal keeps what is not in history."""
    STOPPED = "stopped"


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how much; larger commits write faster and leave fewer files."""

    commit_s: float = 5.0
    """A reading is in Parquet at the latest so long after it was journaled."""
    commit_rows: int = 1_000_000
    """Commit earlier when so many rows wait."""
    commit_bytes: int = 100_000_000
    """Commit earlier when so much waits, and no more at once."""
    tail_bytes: int = 256_000_000
    """Stop following the journal while so much waits in memory; queries then answer up to there."""
    retry_s: float = 1.0
    """First pause after a failure; doubles up to `retry_most_s`."""
    retry_most_s: float = 60.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How the historian works."""

    pace: Pace = Pace()
    upkeep: Upkeep = Upkeep()


@dataclass(frozen=True, slots=True)
class Status:
    """Health of the history, for people and metrics."""

    stage: Stage = Stage.STARTING
    error: str = ""
    stored: int = 0
    """Journal position up to which everything is in Parquet."""
    followed: int = 0
    """Journal position up to which queries answer."""
    waiting: int = 0
    """Readings and changes in the journal that are not in Parquet yet."""
    lag_s: float = 0.0
    """How long the oldest of them has been waiting since it was followed."""
    full: bool = False
    """So much waits in memory that the journal is not followed until some of it is in Parquet."""
    commits: int = 0
    rows: int = 0
    """Rows committed since opening."""
    last_commit_s: float = 0.0
    files: int = 0
    upkeep_error: str = ""
    """Why merging or making keyframes failed last; queries stay right, and grow slower."""
    failures: int = 0
    """Failures in a row."""
