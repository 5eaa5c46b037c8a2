"""From a metric of a node or device to the property that it is bound to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gemel.connectors.sparkplug.node import Observed
from gemel.connectors.topics import Template, fill, filters, variables
from gemel.errors import InvalidInput
from gemel.intake import Reported
from gemel.twin.binding import Binding, Scale

__all__ = ["NAMESPACE", "Router"]

NAMESPACE = "spBv1.0"
_MOST_METRICS = 500_000
"""Metrics whose binding is remembered."""


class _Target(NamedTuple):
    twin: str
    property: str
    unit: str
    scale: Scale | None


@dataclass(frozen=True, slots=True)
class _Route:
    place: Template
    metric: Template
    binding: Binding


class Router:
    """Bindings with addresses `group/node#metric` and `group/node/device#metric`."""

    def __init__(self, bindings: Sequence[Binding]) -> None:
        self._routes = [_route(binding) for binding in bindings]
        self._known: dict[tuple[str, str, str], list[_Target]] = {}
        self.filters = filters([Template.parse(_topics(route.place.text)) for route in self._routes])
        """What to subscribe to."""
        self.nodes = sorted({_node(route.place.text) for route in self._routes if "{" not in _node(route.place.text)})
        """group/node of those that are bound by name."""

    def readings(self, node: str, observed: Observed) -> list[Reported]:
        """What it reports; nothing when no binding names it."""
        value, found = observed.value, []
        for target in self._targets(node, observed.device, observed.name):
            if target.scale is not None and type(value) in (int, float):
                value = value * target.scale.factor + target.scale.offset
            found.append(
                Reported(
                    twin=target.twin,
                    property=target.property,
                    value=value,
                    time=observed.time,
                    quality=observed.quality,
                    unit=target.unit,
                )
            )
        return found

    def _targets(self, node: str, device: str, metric: str) -> list[_Target]:
        key = node, device, metric
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _MOST_METRICS:
                self._known.clear()
            found = self._known[key] = self._resolve(f"{node}/{device}" if device else node, metric)
        return found

    def _resolve(self, place: str, metric: str) -> list[_Target]:
        found = []
        for route in self._routes:
            where, what = route.place.match(place), route.metric.match(metric)
            if where is not None and what is not None:
                values, binding = where | what, route.binding
                found.append(
                    _Target(fill(binding.twin, values), fill(binding.property, values), binding.unit, binding.scale)
                )
        return found


def _route(binding: Binding) -> _Route:
    text, mark, metric = binding.address.partition("#")
    if not mark or not metric or text.count("/") not in (1, 2):
        raise InvalidInput(
            f"binding {binding.address!r:.200} is no Sparkplug address; write group/node#metric or "
            "group/node/device#metric"
        )
    place, name = Template.parse(text), Template.parse(metric)
    if "**" in text.split("/"):
        raise InvalidInput(f"binding {binding.address!r:.200}: group, node and device are one level each, so no **")
    if twice := set(place.names) & set(name.names):
        raise InvalidInput(f"binding {binding.address!r:.200} names {{{min(twice)}}} twice")
    named = {*place.names, *name.names}
    for wanted in (*variables(binding.twin), *variables(binding.property)):
        if wanted not in named:
            raise InvalidInput(
                f"binding {binding.address!r:.200} uses {{{wanted}}}, which its address does not name; "
                f"named are {', '.join(sorted(named)) or 'none'}"
            )
    return _Route(place, name, binding)


def _topics(place: str) -> str:
    group, node, *_ = place.split("/")
    return f"{NAMESPACE}/{group}/+/{node}/**"


def _node(place: str) -> str:
    group, node, *_ = place.split("/")
    return f"{group}/{node}" if "+" not in (group, node) else "{any}"
