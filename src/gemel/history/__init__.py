"""The past: every reading and event in Parquet under DuckLake, asked by instant and by range."""

from gemel.history.average import Average
from gemel.history.conditions import CHANGED
from gemel.history.events import EventPage, EventQuery
from gemel.history.extensions import connect as engine
from gemel.history.feed import ConditionFeed
from gemel.history.forgotten import Limits
from gemel.history.history import History
from gemel.history.load import Loaded
from gemel.history.maintenance import Dropped, Upkeep
from gemel.history.mapping import Column, Mapping
from gemel.history.points import Pieces
from gemel.history.published import File, read_index
from gemel.history.rebuild import rebuild, tables_of
from gemel.history.rows import Rows
from gemel.history.series import Method, Series
from gemel.history.status import Pace, Settings, Stage, Status
from gemel.history.sums import write_sums
from gemel.history.tail import Fact

__all__ = [
    "CHANGED",
    "Average",
    "Column",
    "ConditionFeed",
    "Dropped",
    "EventPage",
    "EventQuery",
    "Fact",
    "File",
    "History",
    "Limits",
    "Loaded",
    "Mapping",
    "Method",
    "Pace",
    "Pieces",
    "Rows",
    "Series",
    "Settings",
    "Stage",
    "Status",
    "Upkeep",
    "engine",
    "read_index",
    "rebuild",
    "tables_of",
    "write_sums",
]
