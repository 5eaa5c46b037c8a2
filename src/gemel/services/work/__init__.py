"""Work on machines: orders, visits, what failed and what it cost, exchanged with the systems that plan it."""

from gemel.services.work.order import (
    Cause,
    Maintenance,
    Outcome,
    PartWanted,
    ReworkCause,
    Step,
    Visit,
    VisitSpec,
    WorkOrder,
    WorkSpec,
    WorkState,
)
from gemel.services.work.orders import Orders, Put
from gemel.services.work.prices import (
    Cost,
    Costs,
    Price,
    PriceBook,
    Priced,
    PriceKind,
    Prices,
    PriceSpec,
    cost_of,
    summed,
    together,
)
from gemel.services.work.report import By, Report
from gemel.services.work.rows import forget_exchanged, forget_person, forget_work
from gemel.services.work.search import WorkQuery
from gemel.services.work.stop import STANDING, Candidate, Classified, Stop, StopKind, StopQuery, StopSpec
from gemel.services.work.stops import Stops
from gemel.services.work.work import Asked, Seeing, Work

__all__ = [
    "STANDING",
    "Asked",
    "By",
    "Candidate",
    "Cause",
    "Classified",
    "Cost",
    "Costs",
    "Maintenance",
    "Orders",
    "Outcome",
    "PartWanted",
    "Price",
    "PriceBook",
    "PriceKind",
    "PriceSpec",
    "Priced",
    "Prices",
    "Put",
    "Report",
    "ReworkCause",
    "Seeing",
    "Step",
    "Stop",
    "StopKind",
    "StopQuery",
    "StopSpec",
    "Stops",
    "Visit",
    "VisitSpec",
    "Work",
    "WorkOrder",
    "WorkQuery",
    "WorkSpec",
    "WorkState",
    "cost_of",
    "forget_exchanged",
    "forget_person",
    "forget_work",
    "summed",
    "together",
]
