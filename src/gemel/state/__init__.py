"""The now: every twin as it is, in columns; how fresh it is; who hears of it."""

from gemel.state.delta import Delta, Gap, Happening, Mark, Transition
from gemel.state.keyframe import Keyframe
from gemel.state.live import Projection
from gemel.state.now import Update, Updates
from gemel.state.readout import Readout
from gemel.state.saved import Saved
from gemel.state.selection import Composition, Selection, Sight
from gemel.state.sql import Files, Relation
from gemel.state.state import State
from gemel.state.subscription import Subscription
from gemel.twin import Now

__all__ = [
    "Composition",
    "Delta",
    "Files",
    "Gap",
    "Happening",
    "Keyframe",
    "Mark",
    "Now",
    "Projection",
    "Readout",
    "Relation",
    "Saved",
    "Selection",
    "Sight",
    "State",
    "Subscription",
    "Transition",
    "Update",
    "Updates",
]
