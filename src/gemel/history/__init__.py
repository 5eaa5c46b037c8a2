"""The past: every reading and event in Parquet under DuckLake, asked by instant and by range."""

from gemel.history.average import Average
from gemel.history.historian import Pace, Settings, Stage, Status
from gemel.history.history import History
from gemel.history.maintenance import Upkeep
from gemel.history.published import File
from gemel.history.series import Method, Series

__all__ = ["Average", "File", "History", "Method", "Pace", "Series", "Settings", "Stage", "Status", "Upkeep"]
