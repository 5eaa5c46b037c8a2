"""The way out: orders to twins' objects, their life, the rules for sending them, who has control."""

from gemel.commands.authority import Authority, Held
from gemel.commands.book import forget_twin
from gemel.commands.carrying import Carrier, Errand, Outcome, Result, Tell
from gemel.commands.commander import Commander
from gemel.commands.instructions import Instruction, Instructions
from gemel.commands.order import ENDED, UNDER_WAY, Ask, Desired, Order, OrderKind, OrderState, Step
from gemel.commands.rules import Standing
from gemel.commands.ways import check_out

__all__ = [
    "ENDED",
    "UNDER_WAY",
    "Ask",
    "Authority",
    "Carrier",
    "Commander",
    "Desired",
    "Errand",
    "Held",
    "Instruction",
    "Instructions",
    "Order",
    "OrderKind",
    "OrderState",
    "Outcome",
    "Result",
    "Standing",
    "Step",
    "Tell",
    "check_out",
    "forget_twin",
]
