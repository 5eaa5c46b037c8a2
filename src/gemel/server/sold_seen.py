"""What a caller sees of what was sold: offers and licences of machines whose configuration the caller sees, since then;
prices where the caller sees what is financial of the machine, since then."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gemel.server.call import Call
from gemel.server.http import onward, onward_from
from gemel.services.capabilities import Licence
from gemel.services.offers import Offer
from gemel.twin import Page, PropertyGroup

__all__ = ["page_seen", "sees", "sees_licence", "sees_offer"]

Sold = TypeVar("Sold", Offer, Licence)
AT_ONCE = 100
"""So many are read at least, however small the page: few of them may be seen."""


def sees(call: Call, twin: str, moment: int, group: PropertyGroup = PropertyGroup.CONFIGURATION) -> bool:
    """Whether this group of a twin is seen as it was at a moment."""
    since = call.items.since(twin, group)
    return since is not None and since <= moment


def sees_offer(call: Call, offer: Offer, group: PropertyGroup = PropertyGroup.CONFIGURATION) -> bool:
    """By its machine, and when it was delivered; drafts are the operating organisation's."""
    return sees(call, offer.item, offer.changed if offer.delivered is None else offer.delivered, group)


def sees_licence(call: Call, licence: Licence) -> bool:
    """By its twin; one that was over before the caller's time is not."""
    now, over = call.services.platform.clock.now(), licence.over
    return sees(call, licence.twin, now if over is None else min(now, over))


def page_seen(
    read: Callable[[int, int], Page[Sold]], shows: Callable[[Call, Sold], bool], call: Call, *, limit: int, cursor: str
) -> Page[Sold]:
    """A page of those that may be seen: it is full, or the last, so that it says nothing of the others.

    `read`: so many (first) that are older than a number (second; 0: the newest).
    """
    found: list[Sold] = []
    before: int | None = int(onward_from(call, cursor) or 0)
    while before is not None and len(found) <= limit:
        page = read(max(limit + 1, AT_ONCE), before)
        found += [one for one in page.items if shows(call, one)]
        before = int(page.next) if page.next else None
    items = found[:limit]
    return onward(call, Page(items, str(items[-1].number) if len(found) > limit else None))
