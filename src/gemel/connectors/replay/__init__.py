"""Replay: logs of machines (SHDR, CSV, Parquet) played as if they happened now, or read in bulk as history."""

from gemel.connectors.replay.bulk import readings_of_log
from gemel.connectors.replay.source import ReplaySettings, ReplaySource

__all__ = ["ReplaySettings", "ReplaySource", "readings_of_log"]
