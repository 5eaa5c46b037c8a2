"""When bounds are broken: the condition of the shop's entanglement, and the twin of the platform that tells it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from gemel.clock import SECOND, to_rfc3339
from gemel.entanglement.tie import Shop
from gemel.twin import Freshness, FreshnessMode, Kind, LifeStage, PropertyType, TwinSpec, TwinType

__all__ = ["SHOP_TWIN", "SHOP_TYPE", "Broken", "shop_values", "updates"]

AFTER_S = 5.0
"""A bound that is broken for a shorter time raises nothing."""
MOST = 100
"""Codes that are active at once; what is more has one code together."""
MORE = "stale:more"
_NAMED = 5
_SAMPLES = Freshness(mode=FreshnessMode.SAMPLES, within_s=180.0)


def _number(name: str, title: str, unit: str = "", *, headline: bool = False) -> PropertyType:
    kind = Kind.NUMBER if unit else Kind.INTEGER
    return PropertyType(name=name, title=title, kind=kind, unit=unit, headline=headline, freshness=_SAMPLES)


SHOP_TYPE = TwinType(
    id="gemel_entanglement",
    title="Entanglement",
    description="How the twins of this platform are tied to their objects: what flows, how fresh, what is broken.",
    purpose="operation",
    properties=(
        PropertyType(name="broken", title="Broken bounds", kind=Kind.CONDITION, headline=True),
        _number("stale", "Stale properties", headline=True),
        _number("model", "Properties that are models"),
        _number("shadow", "Properties that are shadows"),
        _number("twin", "Properties that are twins"),
        _number("share", "Time within bounds", "%", headline=True),
        _number("p95", "Latency, 95 %", "s"),
    ),
)
SHOP_TWIN = TwinSpec(
    id="gemel.entanglement", types=(SHOP_TYPE.id,), name="Entanglement of the shop", stage=LifeStage.IN_SERVICE
)


def shop_values(shop: Shop) -> dict[str, Any]:
    """The readings of the platform's twin for the shop."""
    told: dict[str, Any] = {"stale": shop.stale, **shop.levels}
    if shop.share is not None:
        told["share"] = 100 * shop.share
    if shop.latency is not None:
        told["p95"] = shop.latency.p95_s
    return told


class Broken(NamedTuple):
    """Bounds of one twin that are broken now."""

    twin: str
    since: int
    properties: tuple[str, ...]


def updates(broken: Iterable[Broken], lost: Mapping[str, int], active: Iterable[str], now: int) -> list[dict[str, Any]]:
    """What to tell of the condition so that it says what is broken: raised and cleared codes.

    `lost`: source → messages that never came; `active`: the codes that it has now.
    """
    wanted: dict[str, str] = {}
    held = sorted((one for one in broken if now - one.since >= AFTER_S * SECOND), key=lambda one: one.since)
    for one in held[:MOST]:
        named = ", ".join(one.properties[:_NAMED])
        more = f" and {len(one.properties) - _NAMED} more" if len(one.properties) > _NAMED else ""
        wanted[f"stale:{one.twin}"] = f"{one.twin}: {named}{more} stale since {to_rfc3339(one.since)}"
    if len(held) > MOST:
        wanted[MORE] = f"more than {MOST} twins have stale properties; list them with `gemel entanglement --broken`"
    for source, count in sorted(lost.items())[:MOST]:
        wanted[f"loss:{source}"] = f"{source}: {count} messages were lost"
    before = set(active)
    raised = [{"level": "warning", "code": code, "text": text} for code, text in wanted.items() if code not in before]
    return [*raised, *({"level": "normal", "code": code} for code in sorted(before - wanted.keys()))]
