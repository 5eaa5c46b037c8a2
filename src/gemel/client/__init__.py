"""A platform over the network: the library's verbs, the library's errors."""

from typing import TYPE_CHECKING

from gemel.client.access import Access
from gemel.client.client import Client
from gemel.client.devices import Devices
from gemel.client.values import Average, Head, Me, Plan, Receipt, Series, Site
from gemel.later import later
from gemel.twin import Now

if TYPE_CHECKING:
    from gemel.client.live import Delta, Subscription, Update
else:  # WebSockets: for who follows
    __getattr__ = later(__name__, {"live": ("Delta", "Subscription", "Update")})

__all__ = [
    "Access",
    "Average",
    "Client",
    "Delta",
    "Devices",
    "Head",
    "Me",
    "Now",
    "Plan",
    "Receipt",
    "Series",
    "Site",
    "Subscription",
    "Update",
]
