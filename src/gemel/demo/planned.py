"""How effectively the shop's machines are used, as far as recorded logs can tell; what was planned is assumed."""

from __future__ import annotations

from gemel.twin import Counting, Effectiveness, ProductionState, Shift, StateRule

__all__ = ["USE"]

_EXECUTION, _MODE, _STOP = "controller.path.execution", "controller.path.controller_mode", "controller.emergency_stop"

USE = Effectiveness(
    states=(
        StateRule(state=ProductionState.DOWN, when=f"{_STOP} IS NOT NULL AND {_STOP} = 'TRIGGERED'"),
        StateRule(state=ProductionState.PRODUCING, when=f"{_EXECUTION} = 'ACTIVE'"),
        StateRule(state=ProductionState.DOWN, when=f"{_EXECUTION} IN ('INTERRUPTED', 'FEED_HOLD')"),
        StateRule(state=ProductionState.SET_UP, when=f"{_MODE} IN ('MANUAL', 'MANUAL_DATA_INPUT', 'EDIT')"),
        StateRule(state=ProductionState.IDLE, when=f"{_EXECUTION} IS NOT NULL"),
    ),
    parts=Counting(cycles=f"{_EXECUTION} IN ('ACTIVE', 'INTERRUPTED', 'FEED_HOLD')"),
    all_good=True,
    program="controller.path.program",
    run_times_s={"757": 22.0, "758": 95.0, "798": 12.0, "101": 240.0, "103": 130.0, "151": 22.0},
    shifts=(
        Shift(name="Early", starts="06:00", ends="14:00", breaks=(("09:00", "09:15"), ("11:30", "12:00"))),
        Shift(name="Late", starts="14:00", ends="22:00", breaks=(("18:00", "18:30"),)),
    ),
    assumed=(
        "Shifts, breaks and planned run times are made up: these are logs of another time and place. The machines' own "
        "part counters stay at 0 in them, so each end of a program's cycle counts as a part, and each part as good."
    ),
)
"""Of the type machine_tool."""
