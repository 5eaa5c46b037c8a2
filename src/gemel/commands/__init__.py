"""The way out: orders to twins' objects, their life, the rules for sending them, who has control."""

from gemel.commands.authority import Authority, Held
from gemel.commands.carrying import Carrier, Errand, Outcome, Result, Tell
from gemel.commands.commander import Commander
from gemel.commands.forgetting import forget_twin
from gemel.commands.goal import AskGoal, GoalRun, GoalState
from gemel.commands.goals import Goals
from gemel.commands.instructions import Instruction, Instructions
from gemel.commands.missing import no_order, no_run, no_transaction
from gemel.commands.order import ABOUT_VALUES, ENDED, UNDER_WAY, Ask, Desired, Order, OrderKind, OrderState, Step
from gemel.commands.rules import Standing
from gemel.commands.transaction import (
    AskTogether,
    Member,
    MemberWanted,
    Transaction,
    TransactionState,
    Undo,
    Wish,
    together,
)
from gemel.commands.transactions import Transactions
from gemel.commands.ways import check_out

__all__ = [
    "ABOUT_VALUES",
    "ENDED",
    "UNDER_WAY",
    "Ask",
    "AskGoal",
    "AskTogether",
    "Authority",
    "Carrier",
    "Commander",
    "Desired",
    "Errand",
    "GoalRun",
    "GoalState",
    "Goals",
    "Held",
    "Instruction",
    "Instructions",
    "Member",
    "MemberWanted",
    "Order",
    "OrderKind",
    "OrderState",
    "Outcome",
    "Result",
    "Standing",
    "Step",
    "Tell",
    "Transaction",
    "TransactionState",
    "Transactions",
    "Undo",
    "Wish",
    "check_out",
    "forget_twin",
    "no_order",
    "no_run",
    "no_transaction",
    "together",
]
