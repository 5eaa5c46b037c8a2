"""What the bindings of a plant declare of each property: its part of the entanglement model."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from gemel.registry import Directory, Entry
from gemel.twin import (
    MANUAL,
    Binding,
    Conflict,
    ConnectorSpec,
    Direction,
    Freshness,
    PropertyType,
)

__all__ = ["Declarations", "Declared"]

_VARIABLE = re.compile(r"\{[A-Za-z][A-Za-z0-9_]*\}", re.ASCII)


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """How one property of one twin is tied to its object, as its bindings and its type say."""

    direction: str = ""
    """in, out or both; empty: no binding names it."""
    sources: tuple[str, ...] = ()
    """Connectors that bring it by themselves."""
    carrier: str = ""
    """The connector that carries orders to the object by itself."""
    by_hand: str = ""
    """in, out or both: what people do for it, by a binding of a manual connector."""
    mode: str = ""
    """samples or changes; empty: no bound."""
    within_s: float | None = None
    """The freshness bound."""
    rate_hz: float | None = None
    buffers_s: float | None = None
    conflict: str = Conflict.LAST_WRITE
    bound: bool = False
    """Its freshness follows a connector, whose heartbeat confirms it where it is told as changes."""

    @property
    def outward(self) -> bool:
        """Whether orders reach the object, by wire or by hand."""
        return bool(self.carrier) or self.by_hand in ("out", "both")


class Declarations:
    """Of the connectors that are declared and enabled; made anew when they change."""

    def __init__(self, specs: Iterable[ConnectorSpec], directory: Directory) -> None:
        self._directory = directory
        self.connectors: list[str] = []
        """Ids of those."""
        self._plain: dict[tuple[str, str], list[tuple[ConnectorSpec, Binding]]] = {}
        self._patterns: list[tuple[ConnectorSpec, Binding]] = []
        for spec in specs:
            if spec.enabled:
                self.connectors.append(spec.id)
            for binding in spec.bindings if spec.enabled else ():
                if binding.is_template:
                    self._patterns.append((spec, binding))
                else:
                    self._plain.setdefault(_named(binding, directory), []).append((spec, binding))

        self.guarded = frozenset(
            named
            for named, found in self._plain.items()
            if any(one.conflict is not Conflict.LAST_WRITE for _, one in found)
        )
        """(twin, property) that not everybody may tell; of bindings without variables."""

    def named(self) -> list[tuple[str, str]]:
        """(twin, property) of what bindings without variables name; also of commands and events."""
        return list(self._plain)

    def of(self, entry: Entry, property_: PropertyType) -> Declared:
        """What is declared of a property of a twin."""
        name = property_.name
        matching = self._matching(entry.id, name) if property_.computed is None else []
        found = [*self._plain.get((entry.id, name), ()), *matching]
        ways = [(spec.id, spec.kind == MANUAL, one) for spec, one in found]
        inward = _nearest([way for way in ways if way[2].direction is not Direction.OUT])
        outward = _nearest([way for way in ways if way[2].direction is not Direction.IN])
        wired = [way for way in inward if not way[1]]
        told = (wired or inward or ways)[0][2] if ways else None
        freshness = self._freshness(inward, property_)
        return Declared(
            direction=_both(bool(inward), bool(outward)),
            sources=tuple(dict.fromkeys(id for id, by_hand, _ in inward if not by_hand)),
            carrier=next((id for id, by_hand, _ in outward if not by_hand), ""),
            by_hand=_both(any(way[1] for way in inward), any(way[1] for way in outward)),
            mode="" if freshness is None else str(freshness.mode),
            within_s=None if freshness is None else freshness.within_s,
            rate_hz=None if told is None else told.rate_hz,
            buffers_s=None if told is None else told.buffers_s,
            conflict=Conflict.LAST_WRITE if told is None else told.conflict,
            bound=any(not way[2].is_template for way in inward),
        )

    @staticmethod
    def _freshness(inward: list[tuple[str, bool, Binding]], property_: PropertyType) -> Freshness | None:
        """As the state holds it: the last binding's bound, else the type's (see gemel.state)."""
        plain = [way[2] for way in inward if not way[2].is_template]
        if not plain:
            return property_.freshness
        own = property_.freshness or Freshness()
        last = plain[-1]
        return Freshness(mode=last.mode, within_s=own.within_s if last.within_s is None else last.within_s)

    def _matching(self, twin: str, name: str) -> list[tuple[ConnectorSpec, Binding]]:
        return [
            (spec, one)
            for spec, one in self._patterns
            if _pattern(one.twin).fullmatch(twin) and _pattern(one.property).fullmatch(name)
        ]


def _nearest(ways: list[tuple[str, bool, Binding]]) -> list[tuple[str, bool, Binding]]:
    """Without those by variables where a connector's binding names the property itself."""
    if any(not by_hand and not one.is_template for _, by_hand, one in ways):
        return [way for way in ways if not way[2].is_template]
    return ways


def _both(inward: bool, outward: bool) -> str:
    return "both" if inward and outward else "in" if inward else "out" if outward else ""


def _named(binding: Binding, directory: Directory) -> tuple[str, str]:
    """(twin, property) as they are called now, whatever earlier names the binding says."""
    entry = directory.twin(binding.twin)
    if entry is None:
        return binding.twin, binding.property
    ref = entry.properties.get(binding.property)
    return entry.id, binding.property if ref is None else ref.property.name


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile("[^/]+?".join(re.escape(part) for part in _VARIABLE.split(text)))
