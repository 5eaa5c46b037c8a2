"""Exchange with the systems that plan work, sell it and count it: one way for all of them, in both directions."""

from gemel.services.work.exchange.calling import NotNow, Refused
from gemel.services.work.exchange.declared import Exchange, FieldMap, parse_exchanges
from gemel.services.work.exchange.exchanges import ExchangeDifference, Exchanges, Standing
from gemel.services.work.exchange.exchanging import Look, Outgoing, Preview
from gemel.services.work.exchange.keeping import Fault, Ran, Thing
from gemel.services.work.exchange.plugged import Lent, Way

__all__ = [
    "Exchange",
    "ExchangeDifference",
    "Exchanges",
    "Fault",
    "FieldMap",
    "Lent",
    "Look",
    "NotNow",
    "Outgoing",
    "Preview",
    "Ran",
    "Refused",
    "Standing",
    "Thing",
    "Way",
    "parse_exchanges",
]
