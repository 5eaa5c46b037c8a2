"""One small language, a subset of SQL's expressions: computed properties, interlocks, rules.

from gemel.expression import Expression, Quantity

formula = Expression.parse("power / speed").check({"power": Quantity(unit="kW"), "speed": Quantity(unit="/min")})
formula.one({"power": 12.0, "speed": 1500.0})
"""

from gemel.expression.compiled import Parts
from gemel.expression.expression import Expression, Formula, Input, Members, meant
from gemel.expression.grouping import LEVELS
from gemel.expression.parsing import EVERYTHING_BELOW, PARTS
from gemel.expression.quantity import ARROW, Kind, Quantity

__all__ = [
    "ARROW",
    "EVERYTHING_BELOW",
    "LEVELS",
    "PARTS",
    "Expression",
    "Formula",
    "Input",
    "Kind",
    "Members",
    "Parts",
    "Quantity",
    "meant",
]
