"""A platform over the network: the library's verbs, the library's errors."""

from gemel.client.access import Access
from gemel.client.client import Client
from gemel.client.devices import Devices
from gemel.client.live import Delta, Subscription, Update
from gemel.client.values import Average, Head, Me, Now, Plan, Receipt, Series, Site

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
