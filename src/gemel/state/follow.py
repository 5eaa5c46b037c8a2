"""Following the registry: what a block's changes mean for tables, bindings and selections."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gemel.state.layout import Layout
from gemel.state.watch import Watch
from gemel.twin import Change, ConnectorSpec, LifeStage

__all__ = ["REGISTRY_AREAS", "follow", "is_of_registry"]

REGISTRY_AREAS = frozenset({"twin", "type", "link", "plant"})
_ENDED = frozenset({LifeStage.RETIRED.value, LifeStage.RECYCLED.value})


def is_of_registry(change: Change) -> bool:
    """Whether selections and tables may be others after it."""
    return change.kind.partition(".")[0] in REGISTRY_AREAS


def follow(changes: Iterable[Change], layout: Layout, watch: Watch, retired: set[int]) -> bool:
    """Carry everything along; the directory is there already. Returns whether the registry changed."""
    areas, twins, created = set(), [], list[int]()
    for change in changes:
        area, _, what = change.kind.partition(".")
        if area == "type":
            layout.know_type(change.subject)
        elif area == "twin" and (entry := layout.directory.twin(change.subject)) is not None:
            if what == "created":
                created.append(entry.number)
            elif "shape" in change.body.get("fields", ("shape",)):
                layout.know_twin(entry.number)
            twins.append(entry.id)
            _retire(change, entry.number, retired)
        elif area == "plant":
            layout.sync()
        elif area == "connector" and what in ("created", "changed") and "connector" in change.body:
            watch.bind(msgspec.convert(change.body["connector"], ConnectorSpec))
        elif area == "connector" and what == "removed":
            watch.unbind(change.subject)
        areas.add(area)
    layout.know_new_twins(created)
    if areas & {"type", "plant"}:
        watch.follow_types()
        watch.bind_again()
    elif twins:
        watch.bind_twins(twins)
    return bool(areas & REGISTRY_AREAS)


def _retire(change: Change, number: int, retired: set[int]) -> None:
    stage = change.body.get("twin", {}).get("stage")
    if stage in _ENDED:
        retired.add(number)
    elif stage is not None:
        retired.discard(number)
