"""The one way in: validation, units, time, identity of messages, quarantine, group commit."""

from gemel.intake.base import Happened, Message, Quarantined, Receipt, Refusal, ReplayRule, Reported, SourceRule
from gemel.intake.intake import Intake, SourceFollower

__all__ = [
    "Happened",
    "Intake",
    "Message",
    "Quarantined",
    "Receipt",
    "Refusal",
    "ReplayRule",
    "Reported",
    "SourceFollower",
    "SourceRule",
]
