"""How long items live: their lives as a table, models learnt from it, what is expected of each, and if it came true."""

from gemel.health.learning.scoring import Compared, Score
from gemel.health.learning.training import CONFIGURATION, LEAST_FAILURES, NO_CONFIGURATION
from gemel.health.learning.values import CALENDAR, FEATURES, Asked, Draft, Effect, Failures, Plot
from gemel.health.lifetimes.lifetimes import Lifetimes
from gemel.health.lifetimes.lives import LIVES
from gemel.health.lifetimes.values import Band, Calibration, Limit, Model, Pace, Prediction, Recorded, Risk, Risks

__all__ = [
    "CALENDAR",
    "CONFIGURATION",
    "FEATURES",
    "LEAST_FAILURES",
    "LIVES",
    "NO_CONFIGURATION",
    "Asked",
    "Band",
    "Calibration",
    "Compared",
    "Draft",
    "Effect",
    "Failures",
    "Lifetimes",
    "Limit",
    "Model",
    "Pace",
    "Plot",
    "Prediction",
    "Recorded",
    "Risk",
    "Risks",
    "Score",
]
