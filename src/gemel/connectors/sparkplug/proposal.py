"""From birth certificates to a proposal: types, twins and one connector that binds them, as a plant document."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import msgspec

from gemel.clock import WallClock
from gemel.connectors.base import Port
from gemel.connectors.drafts import document_of, free_of, name_of, slug_of
from gemel.connectors.mqtt.ear import Ear
from gemel.connectors.mqtt.link import Link
from gemel.connectors.reach import Reach
from gemel.connectors.sparkplug.node import decode
from gemel.connectors.sparkplug.routing import NAMESPACE
from gemel.connectors.sparkplug.settings import SparkplugSettings
from gemel.connectors.sparkplug.source import rebirth_request
from gemel.connectors.sparkplug.values import Unreadable, kind_of, properties_of, quality_of, value_of
from gemel.connectors.symbols import ucum_of_symbol
from gemel.twin import Binding, ConnectorSpec, Kind, Plant, PropertyType, TwinSpec, TwinType

__all__ = ["BornMetric", "born", "document_of_births", "propose", "values_of"]

_NOT_IN_ADDRESSES = frozenset("{}+#\0")
_OF_THE_PROTOCOL = ("Node Control/", "Device Control/", "bdSeq")


class BornMetric(NamedTuple):
    """A metric as a birth certificate defines it."""

    name: str
    datatype: int
    properties: Mapping[str, Any]
    value: Any = None
    """As it was born; None where it is not known, or of a type that is not taken."""


Births = dict[tuple[str, str], list[BornMetric]]
"""(group/node, device or empty) → its metrics."""


async def propose(
    settings: SparkplugSettings,
    *,
    connector: str = "sparkplug-1",
    reach: Reach | None = None,
    listen_s: float = 10.0,
) -> dict[str, Any]:
    """A plant document for what is born at a broker within `listen_s` seconds, to be edited and applied.

    Nodes that send data are asked for their births (unless `settings.rebirth` is off). Raises ConnectionError.
    """
    stated = {key: value for key, value in msgspec.to_builtins(settings).items() if value != _DEFAULTS.get(key)}
    births = await born(settings, reach=reach, listen_s=listen_s)
    return document_of_births(births, connector=connector, settings=stated)


async def born(settings: SparkplugSettings, *, reach: Reach | None = None, listen_s: float = 10.0) -> Births:
    """The birth certificates that are heard at a broker within `listen_s` seconds. Raises ConnectionError."""
    link = Link(settings, cast("Port", Ear(reach or Reach())), clean=True)
    births: Births = {}
    asked: set[str] = set()
    try:
        await link.open([f"{NAMESPACE}/#"])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(listen_s):
                while link.failure is None:
                    for arrival in link.session.take(1000):
                        topic = arrival.topic.decode(errors="replace").split("/")
                        node = _hear(births, topic, arrival.payload or b"")
                        if node and settings.rebirth and node not in asked:
                            asked.add(node)
                            group, _, edge = node.partition("/")
                            request = rebirth_request(WallClock().now() // 1000)
                            link.session.publish(f"{NAMESPACE}/{group}/NCMD/{edge}", request, 0)
                    await link.event.wait()
                    link.event.clear()
    finally:
        await asyncio.to_thread(link.session.stop)
    return births


def _hear(births: Births, topic: list[str], payload: bytes) -> str:
    """Take a birth; the node that should be asked for one, when this is of a node that was not born yet."""
    if len(topic) not in (4, 5) or topic[2] not in ("NBIRTH", "DBIRTH", "NDATA", "DDATA"):
        return ""
    node, device = f"{topic[1]}/{topic[3]}", topic[4] if len(topic) == 5 else ""
    if topic[2].endswith("DATA"):
        return "" if (node, device) in births else node
    with contextlib.suppress(Unreadable):
        births[node, device] = [
            BornMetric(metric.name, metric.datatype, properties_of(metric), _value(metric))
            for metric in decode(payload).metrics
            if metric.name
        ]
    return ""


def _value(metric: Any) -> Any:
    with contextlib.suppress(Unreadable):
        return None if metric.is_null else value_of(metric, metric.datatype)
    return None


def values_of(births: Births) -> dict[str, tuple[Any, str]]:
    """Address → value and quality, as they were born."""
    return {
        f"{node}/{device}#{one.name}" if device else f"{node}#{one.name}": (
            one.value,
            quality_of(dict(one.properties)).name.lower(),
        )
        for (node, device), metrics in births.items()
        for one in metrics
    }


def document_of_births(births: Births, *, connector: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Every node and device with metrics is a twin; those with the same metrics share a type."""
    types: dict[tuple[PropertyType, ...], TwinType] = {}
    twins: dict[tuple[str, str], TwinSpec] = {}
    bindings: list[Binding] = []
    for (node, device), metrics in sorted(births.items()):
        bound = _properties(metrics)
        if not bound:
            continue
        name = device or node.partition("/")[2]
        properties = tuple(bound.values())
        if properties not in types:
            id = free_of(slug_of(name), {known.id for known in types.values()})
            types[properties] = TwinType(id=id, title=name, purpose="operation", properties=properties)
        whole = twins.get((node, ""))
        twin = TwinSpec(
            id=free_of(f"{whole.id}.{slug_of(name)}" if whole else slug_of(name), {one.id for one in twins.values()}),
            types=(types[properties].id,),
            name=name,
            part_of=whole.id if whole else (),
        )
        twins[node, device] = twin
        place = f"{node}/{device}" if device else node
        bindings += [Binding(address=f"{place}#{name}", twin=twin.id, property=p.name) for name, p in bound.items()]
    spec = ConnectorSpec(id=connector, kind="sparkplug", settings=settings, bindings=tuple(bindings))
    return document_of(Plant(types=tuple(types.values()), twins=tuple(twins.values()), connectors=(spec,)))


def _properties(metrics: list[BornMetric]) -> dict[str, PropertyType]:
    """By metric: the property it is to be. Metrics of the protocol itself, and of types not taken, are left out."""
    found: dict[str, PropertyType] = {}
    for metric in metrics:
        kind = kind_of(metric.datatype)
        if kind is None or metric.name.startswith(_OF_THE_PROTOCOL) or set(metric.name) & _NOT_IN_ADDRESSES:
            continue
        name = free_of(name_of(metric.name), {known.name for known in found.values()}, "_")
        symbol = str(metric.properties.get("engUnit", ""))
        measured = kind in (Kind.NUMBER, Kind.INTEGER, Kind.ARRAY)
        found[metric.name] = PropertyType(
            name=name,
            title=metric.name if metric.name != name else "",
            kind=kind,
            unit=ucum_of_symbol(symbol) if measured and symbol else "",
            description=str(metric.properties.get("documentation", "")),
        )
    return found


_DEFAULTS = msgspec.to_builtins(SparkplugSettings(url="mqtt://localhost"))
