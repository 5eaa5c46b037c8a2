"""Prospects: the installed base ranked for a service, by declared criteria, and where upgrades are worth while."""

from gemel.services.prospects.measuring import Base
from gemel.services.prospects.prospects import Prospects
from gemel.services.prospects.values import (
    Candidate,
    Candidates,
    Criterion,
    Measure,
    Profile,
    Ranked,
    RankedParty,
    Ranking,
    Scored,
    Upgrade,
)

__all__ = [
    "Base",
    "Candidate",
    "Candidates",
    "Criterion",
    "Measure",
    "Profile",
    "Prospects",
    "Ranked",
    "RankedParty",
    "Ranking",
    "Scored",
    "Upgrade",
]
