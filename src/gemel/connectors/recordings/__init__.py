"""Recorded machines: logs of SHDR lines, how fast they run, and what is known at a moment of them."""

from gemel.connectors.recordings.known import KnownLines
from gemel.connectors.recordings.pace import Pace, due
from gemel.connectors.recordings.playback import Playback, Recording
from gemel.connectors.recordings.shdr_log import busiest_moment, first_moment, read_lines, timed_lines

__all__ = [
    "KnownLines",
    "Pace",
    "Playback",
    "Recording",
    "busiest_moment",
    "due",
    "first_moment",
    "read_lines",
    "timed_lines",
]
