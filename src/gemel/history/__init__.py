"""The past: every reading and event in Parquet under DuckLake, asked by instant and by range."""

from gemel.history.historian import Pace, Stage, Status
from gemel.history.history import History
from gemel.history.published import File

__all__ = ["File", "History", "Pace", "Stage", "Status"]
