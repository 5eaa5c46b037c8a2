"""The one way in: validation, units, time, identity of messages, quarantine, group commit."""

from gemel.intake.base import (
    COMPUTED,
    Happened,
    Message,
    Missed,
    Quarantined,
    Receipt,
    Refusal,
    ReplayRule,
    Reported,
    SourceRule,
    summed,
)
from gemel.intake.fitting import fitted
from gemel.intake.intake import Intake, SourceFollower
from gemel.intake.plans import Guard
from gemel.intake.tables import quarantine_table

__all__ = [
    "COMPUTED",
    "Guard",
    "Happened",
    "Intake",
    "Message",
    "Missed",
    "Quarantined",
    "Receipt",
    "Refusal",
    "ReplayRule",
    "Reported",
    "SourceFollower",
    "SourceRule",
    "fitted",
    "quarantine_table",
    "summed",
]
