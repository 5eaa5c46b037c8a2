"""All that the language can do with values of one twin: by name, how it is checked and run."""

from __future__ import annotations

from gemel.expression.arithmetic import ARITHMETIC
from gemel.expression.building import Build
from gemel.expression.choice import CHOICE
from gemel.expression.conversions import CONVERSIONS
from gemel.expression.functions import FUNCTIONS
from gemel.expression.logic import LOGIC
from gemel.expression.texts import TEXTS

__all__ = ["OPERATIONS"]

OPERATIONS: dict[str, Build] = {**ARITHMETIC, **FUNCTIONS, **CONVERSIONS, **LOGIC, **CHOICE, **TEXTS}
