"""Configuration: which serialised item was in which slot, from–to, as known when."""

from gemel.configuration import operations
from gemel.configuration.acts.doing import Wish, subjects
from gemel.configuration.acts.inspecting import Deviation, Inspection
from gemel.configuration.acts.loading import Built, Loaded, Refused
from gemel.configuration.acts.plans import Plan, Plans, PlanState
from gemel.configuration.configuration import Configuration
from gemel.configuration.hashing import configuration_hash
from gemel.configuration.operations import Operation
from gemel.configuration.parts.book import Book, PartsBook, PartsPlan, WhereUsed
from gemel.configuration.parts.document import parse_parts, parts_schema
from gemel.configuration.parts.ordering import applies as effectivity_applies
from gemel.configuration.parts.ordering import check_range, in_revisions
from gemel.configuration.parts.places import Place, places
from gemel.configuration.parts.rules import check as check_rules
from gemel.configuration.parts.values import (
    Condition,
    Effectivity,
    LifeLimit,
    Material,
    PartsDocument,
    PartType,
    Revision,
    SlotRule,
    SlotSpec,
)
from gemel.configuration.parts.writing import parts_yaml
from gemel.configuration.questions.applicability import Applicability, Applies
from gemel.configuration.questions.asking import Difference, Stay
from gemel.configuration.questions.attached import OURS, Lines, Source, SourceStatus
from gemel.configuration.questions.completeness import Completeness, Holding, SlotState
from gemel.configuration.questions.counting import Count
from gemel.configuration.questions.dependants import (
    Dependant,
    Dependants,
    Reliance,
    RelianceQuery,
    latest_known,
    rely,
    rely_all,
)
from gemel.configuration.questions.finding import ItemFound, ItemQuery
from gemel.configuration.questions.fleet import Ends, FleetPage, Having, Match, Matches
from gemel.configuration.questions.fleet import Order as RevisionOrder
from gemel.configuration.questions.joined import named_sources
from gemel.configuration.questions.limits import Remaining, RemainingPage
from gemel.configuration.questions.materials import Passport, Substance
from gemel.configuration.questions.replacing import Allowed, Fitter, Fitting, piece
from gemel.configuration.questions.sides import Readiness, Sides, SlotSides, Verdict
from gemel.configuration.questions.spells import FAILED, SPELLS
from gemel.configuration.questions.threats import Gravity, Threat, worst_first
from gemel.configuration.questions.within import Within
from gemel.configuration.software.book import Looked, SoftwareBook, SoftwareDifference
from gemel.configuration.software.live import Live
from gemel.configuration.software.reports import SoftwareReports
from gemel.configuration.software.rules import (
    Machine,
    Module,
    Objection,
    SoftwareJudge,
    SoftwareStanding,
)
from gemel.configuration.software.values import (
    Need,
    Software,
    SoftwareRequirement,
    SoftwareVersion,
    SoftwareWay,
    key_bytes,
    parse_software,
)
from gemel.configuration.upkeep.metering import Metering, UsageRule
from gemel.configuration.upkeep.promises import Kept, Promise, Upkeep, UpkeepStanding
from gemel.configuration.upkeep.snapshots import Every, Snapshot
from gemel.configuration.upkeep.translating import Translator
from gemel.configuration.upkeep.translation import Refusal, Translation
from gemel.configuration.values import (
    FOREVER,
    Act,
    ActKind,
    Basis,
    Concession,
    Expected,
    Finding,
    Item,
    ItemKind,
    ItemSpec,
    Level,
    Node,
    Nonconformance,
    Observation,
    Outcome,
    Placement,
    Running,
    Saw,
    SoftwareState,
    Span,
    Standing,
)
from gemel.configuration.views.explaining import explain_item
from gemel.configuration.views.fleet import FleetAnswer, FleetSeen
from gemel.configuration.views.life import Happening, Life, LifeSeries, Piece, Stretch, assigned
from gemel.configuration.views.linking import Linking
from gemel.configuration.views.machine import MachinePartly
from gemel.configuration.views.offering import Offer, Offered, OfferQuery, offer, whole_seen
from gemel.configuration.views.partly import Partly
from gemel.configuration.views.seen import ELSEWHERE, Seen
from gemel.configuration.views.whole import MachineSeen

__all__ = [
    "ELSEWHERE",
    "FAILED",
    "FOREVER",
    "OURS",
    "SPELLS",
    "Act",
    "ActKind",
    "Allowed",
    "Applicability",
    "Applies",
    "Basis",
    "Book",
    "Built",
    "Completeness",
    "Concession",
    "Condition",
    "Configuration",
    "Count",
    "Dependant",
    "Dependants",
    "Deviation",
    "Difference",
    "Effectivity",
    "Ends",
    "Every",
    "Expected",
    "Finding",
    "Fitter",
    "Fitting",
    "FleetAnswer",
    "FleetPage",
    "FleetSeen",
    "Gravity",
    "Happening",
    "Having",
    "Holding",
    "Inspection",
    "Item",
    "ItemFound",
    "ItemKind",
    "ItemQuery",
    "ItemSpec",
    "Kept",
    "Level",
    "Life",
    "LifeLimit",
    "LifeSeries",
    "Lines",
    "Linking",
    "Live",
    "Loaded",
    "Looked",
    "Machine",
    "MachinePartly",
    "MachineSeen",
    "Match",
    "Matches",
    "Material",
    "Metering",
    "Module",
    "Need",
    "Node",
    "Nonconformance",
    "Objection",
    "Observation",
    "Offer",
    "OfferQuery",
    "Offered",
    "Operation",
    "Outcome",
    "PartType",
    "Partly",
    "PartsBook",
    "PartsDocument",
    "PartsPlan",
    "Passport",
    "Piece",
    "Place",
    "Placement",
    "Plan",
    "PlanState",
    "Plans",
    "Promise",
    "Readiness",
    "Refusal",
    "Refused",
    "Reliance",
    "RelianceQuery",
    "Remaining",
    "RemainingPage",
    "Revision",
    "RevisionOrder",
    "Running",
    "Saw",
    "Seen",
    "Sides",
    "SlotRule",
    "SlotSides",
    "SlotSpec",
    "SlotState",
    "Snapshot",
    "Software",
    "SoftwareBook",
    "SoftwareDifference",
    "SoftwareJudge",
    "SoftwareReports",
    "SoftwareRequirement",
    "SoftwareStanding",
    "SoftwareState",
    "SoftwareVersion",
    "SoftwareWay",
    "Source",
    "SourceStatus",
    "Span",
    "Standing",
    "Stay",
    "Stretch",
    "Substance",
    "Threat",
    "Translation",
    "Translator",
    "Upkeep",
    "UpkeepStanding",
    "UsageRule",
    "Verdict",
    "WhereUsed",
    "Wish",
    "Within",
    "assigned",
    "check_range",
    "check_rules",
    "configuration_hash",
    "effectivity_applies",
    "explain_item",
    "in_revisions",
    "key_bytes",
    "latest_known",
    "named_sources",
    "offer",
    "operations",
    "parse_parts",
    "parse_software",
    "parts_schema",
    "parts_yaml",
    "piece",
    "places",
    "rely",
    "rely_all",
    "subjects",
    "whole_seen",
    "worst_first",
]
