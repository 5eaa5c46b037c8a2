"""Update campaigns: a version of a piece of software goes to many machines, group by group, and each one proves it."""

from gemel.services.campaigns.aiming import Aim, Chances, Verdict
from gemel.services.campaigns.artifacts import Artifact, Artifacts
from gemel.services.campaigns.campaign import (
    Campaign,
    CampaignState,
    Draft,
    GroupSpec,
    Proof,
    Selection,
    Target,
    TargetState,
)
from gemel.services.campaigns.campaigns import Campaigns
from gemel.services.campaigns.looking import GroupStanding, Overview, Report
from gemel.services.campaigns.rights import Rights
from gemel.services.campaigns.rows import forget_targets

__all__ = [
    "Aim",
    "Artifact",
    "Artifacts",
    "Campaign",
    "CampaignState",
    "Campaigns",
    "Chances",
    "Draft",
    "GroupSpec",
    "GroupStanding",
    "Overview",
    "Proof",
    "Report",
    "Rights",
    "Selection",
    "Target",
    "TargetState",
    "Verdict",
    "forget_targets",
]
