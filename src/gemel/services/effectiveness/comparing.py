"""Performance by configuration, and by setting: time is grouped by what was so, and each group is summed.

What is observed is not what was tried: a group of one machine, or of little time, says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa

from gemel.access import View
from gemel.configuration import Configuration, ItemQuery, Seen, Span
from gemel.errors import Denied, InvalidQuery, NotFound
from gemel.expression import Expression
from gemel.services.effectiveness.costs import added, costs
from gemel.services.effectiveness.course import Course, Pieces
from gemel.services.effectiveness.elements import UNKNOWN, Elements
from gemel.services.effectiveness.figures import KPIS, figures
from gemel.services.effectiveness.grouping import By, grid_of, grouped, labelled
from gemel.services.effectiveness.reading import Reading
from gemel.services.effectiveness.signals import Signal, chunked
from gemel.services.effectiveness.values import Compared, Declared, Group, Pair
from gemel.services.work import Costs, Priced

__all__ = ["Comparing", "Setting"]

MOST_GROUPS = 50
MOST_MACHINES = 200
MOST_SETTINGS = 3
LITTLE_HOURS, LITTLE_PARTS = 8.0, 30
_HOUR = 3_600_000_000


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """By which properties time is grouped."""

    properties: tuple[str, ...]
    """One to three: feed_override, or slot.feed_override."""
    bins: int = 4
    """A number is cut into so many groups of about equal producing time; few values stay as they are."""
    property: str = ""
    target: str = "oee"


@dataclass(slots=True)
class _Machine:
    twin: str
    course: Course
    pieces: Pieces


class Comparing:
    """Of one caller."""

    def __init__(self, reading: Reading, configuration: Configuration, seen: Seen, view: View, priced: Priced) -> None:
        self._reading, self._configuration, self._seen, self._view = reading, configuration, seen, view
        self._priced = priced
        self._declared: dict[str, Declared] = {}
        self._left_out: dict[str, str] = {}

    # by configuration

    def configurations(self, machines: Sequence[str], span: tuple[int, int], by: By, *, known: int | None) -> Compared:
        """Raises InvalidQuery, UnknownTwin."""
        if bool(by.slot) == bool(by.part):
            raise InvalidQuery("say by what to compare: a slot, or a part")
        _check(machines, by.target)
        labels: dict[str, int] = {}
        found: list[_Machine] = []
        for twin, course in self._courses(machines, span):
            try:
                spans = self._held(twin, Span(course.start, course.end), by, known)
            except NotFound as error:
                self._left_out[twin] = error.detail
                continue
            rows = [(one.start, one.end, labels.setdefault(label, len(labels))) for one, label in spans]
            found.append(_Machine(twin, course, Pieces.of(rows, 0)))
        told = _Told(
            by=f"{'slot ' + by.slot if by.slot else by.part}", target=by.target, property=by.property, span=span
        )
        return self._compared(found, list(labels), told)

    def _held(self, twin: str, span: Span, by: By, known: int | None) -> list[tuple[Span, str]]:
        """What a machine had, from when to when, as far as it is seen. Raises NotFound."""
        items = self._seen.search(ItemQuery(twin=twin, limit=2)).items
        if not items:
            raise NotFound(
                f"{twin} is of no item, so nothing is known of its configuration; create one with twin={twin}"
            )
        item = items[0].item.id
        rows = self._configuration.within(item, span.start, span.end, known=known)
        path = tuple(by.slot.split(".")) if by.slot else None
        wanted = [one for one in rows if (one.path == path if path is not None else one.part == by.part)]
        seen = [each for one in self._seen.seen_spans(item) if (each := one.meets(span)) is not None]
        return list(labelled(wanted, seen, by))

    # by setting

    def settings(self, machines: Sequence[str], span: tuple[int, int], setting: Setting) -> Compared:
        """Raises InvalidQuery, UnknownTwin."""
        if not 1 <= len(setting.properties) <= MOST_SETTINGS:
            raise InvalidQuery(f"say one to {MOST_SETTINGS} properties to group by")
        if not 2 <= setting.bins <= 20:
            raise InvalidQuery("a number is cut into 2 to 20 bins")
        _check(machines, setting.target)
        paths = [_path(one) for one in setting.properties]
        read: list[tuple[str, Course, list[Signal]]] = []
        for twin, course in self._courses(machines, span):
            signals = [self._signal(twin, path, course) for path in paths]
            if any(not len(one.start) for one in signals):
                missing = next(
                    name for name, one in zip(setting.properties, signals, strict=True) if not len(one.start)
                )
                self._left_out[twin] = f"of {missing} nothing is told in this time"
                continue
            read.append((twin, course, signals))
        grids = [grid_of([(c, s[n]) for _, c, s in read], setting.bins) for n in range(len(paths))]
        labels: dict[tuple[str, ...], int] = {}
        found = [_Machine(twin, course, grouped(course, signals, grids, labels)) for twin, course, signals in read]
        told = _Told(
            by=", ".join(setting.properties),
            target=setting.target,
            property=setting.property,
            span=span,
            best=True,
        )
        return self._compared(found, [" · ".join(one) for one in labels], told)

    def _signal(self, twin: str, path: tuple[str, ...], course: Course) -> Signal:
        parts = chunked(lambda a, b: self._reading.signal(twin, path, None, (a, b))[0], course.start, course.end)
        parts = [one for one in parts if len(one.start)] or parts[:1]
        return Signal(
            np.concatenate([one.start for one in parts]),
            np.concatenate([one.end for one in parts]),
            pa.concat_arrays([one.value for one in parts]),
        )

    # both

    def _courses(self, machines: Sequence[str], span: tuple[int, int]) -> Iterable[tuple[str, Course]]:
        for name in dict.fromkeys(machines):
            entry = self._view.entry(name)
            declared = self._reading.declared(entry)
            if declared is None:
                self._left_out[entry.id] = "its type says nothing of its effectiveness"
                continue
            try:
                course = self._reading.course(entry.id, declared[0], *span)
            except Denied as error:
                self._left_out[entry.id] = error.detail
                continue
            type_ = declared[0]
            self._declared[type_.id] = Declared(type=type_.id, version=type_.version, assumed=declared[1].assumed)
            yield entry.id, course

    def _compared(self, found: list[_Machine], labels: list[str], told: _Told) -> Compared:
        if len(labels) > MOST_GROUPS:
            raise InvalidQuery(f"{len(labels)} groups are too many to compare; ask for fewer bins, or another property")
        sums: dict[int, dict[str, Elements]] = {}
        spent: dict[int, list[Costs | None]] = {}
        means: dict[int, list[float]] = {place: [0.0, 0.0] for place in range(len(labels))}
        spells = np.zeros(len(labels), np.int64)
        unit = ""
        for machine in found:
            pieces = machine.pieces
            pieces = Pieces(pieces.start, pieces.end, pieces.group, len(labels))
            cost = costs(machine.course, machine.twin, pieces, self._priced)
            for place, one in enumerate(machine.course.sums(pieces)):
                if sum(one.inside) + sum(one.outside):
                    sums.setdefault(place, {})[machine.twin] = one
                    spent.setdefault(place, []).append(cost[place])
            spells += np.bincount(pieces.group, minlength=len(labels))
            if told.property:
                unit = self._mean(machine, pieces, told.property, means) or unit
        groups = [
            msgspec.structs.replace(
                _group(labels[place], by_machine, means[place], int(spells[place])), cost=added(spent[place])
            )
            for place, by_machine in sums.items()
        ]
        groups.sort(key=lambda one: -one.hours)
        reference = groups[0].label if groups else ""
        base = sums[labels.index(reference)] if groups else {}
        groups = [_differing(one, groups[0], (sums[labels.index(one.label)], base), told.target) for one in groups]
        if told.best:
            groups.sort(key=lambda one: (-_known(getattr(one.figures, told.target)), -one.hours))
        return Compared(
            start=told.span[0],
            end=told.span[1],
            by=told.by,
            target=told.target,
            property=told.property,
            unit=unit,
            reference=reference,
            groups=tuple(groups),
            declared=tuple(self._declared.values()),
            left_out=self._left_out,
            warnings=tuple(_warnings(groups, told)),
        )

    def _mean(self, machine: _Machine, pieces: Pieces, name: str, means: dict[int, list[float]]) -> str:
        """Add up ∫ value dt and the time of each group; returns the unit."""
        path = _path(name)
        signal = self._signal(machine.twin, path, machine.course)
        if not len(signal.start) or not pa.types.is_floating(signal.value.type):
            self._left_out.setdefault(machine.twin, f"of {name} no number is told; its mean is without it")
            return ""
        cuts = np.unique(np.concatenate([signal.start, signal.end, pieces.start, pieces.end]))
        group = pieces.at(cuts[:-1])
        value = signal.at(cuts[:-1])
        keep = (group >= 0) & value.is_valid().to_numpy(zero_copy_only=False)
        length = np.diff(cuts)[keep].astype(np.float64)
        area = np.bincount(group[keep], value.filter(pa.array(keep)).to_numpy() * length, minlength=pieces.groups)
        covered = np.bincount(group[keep], length, minlength=pieces.groups)
        for place in range(pieces.groups):
            means[place][0] += float(area[place])
            means[place][1] += float(covered[place])
        return self._reading.unit(machine.twin, path, machine.course.end - 1)


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    by: str
    target: str
    property: str
    span: tuple[int, int]
    best: bool = False


def _check(machines: Sequence[str], target: str) -> None:
    if target not in KPIS:
        raise InvalidQuery(f"there is no key figure {target!r:.40}; use one of {', '.join(KPIS)}")
    if len(machines) > MOST_MACHINES:
        raise InvalidQuery(f"{len(machines)} machines are too many at once; name at most {MOST_MACHINES}")


def _path(name: str) -> tuple[str, ...]:
    read = Expression.parse(name)
    if len(read.inputs) != 1 or read.inputs[0].name != name.strip():
        raise InvalidQuery(f"{name!r:.80} is no name of a property, like power or spindle.power")
    return read.inputs[0].path


def _group(label: str, by_machine: Mapping[str, Elements], mean: list[float], spells: int) -> Group:
    total = next(iter(by_machine.values()))
    for one in list(by_machine.values())[1:]:
        total = total + one
    known = sum(total.inside[:UNKNOWN]) + sum(total.outside[:UNKNOWN])
    shown = figures(total)
    warnings = []
    if len(by_machine) == 1:
        warnings.append(f"only {next(iter(by_machine))}: what differs may be the machine, and nothing else")
    if known < LITTLE_HOURS * _HOUR:
        warnings.append(f"little time: {known / _HOUR:.1f} h")
    elif shown.parts is not None and shown.parts < LITTLE_PARTS:
        warnings.append(f"few parts: {shown.parts:g}")
    return Group(
        label=label,
        machines=tuple(sorted(by_machine)),
        hours=known / _HOUR,
        spells=spells,
        figures=shown,
        mean=mean[0] / mean[1] if mean[1] else None,
        mean_hours=mean[1] / _HOUR,
        warnings=(*warnings, *shown.warnings),
    )


def _differing(
    one: Group, reference: Group, both: tuple[Mapping[str, Elements], Mapping[str, Elements]], target: str
) -> Group:
    if one.label == reference.label:
        return one
    mine, theirs = getattr(one.figures, target), getattr(reference.figures, target)
    shared = []
    for machine in both[0].keys() & both[1].keys():
        here, there = (getattr(figures(each[machine]), target) for each in both)
        if here is not None and there is not None:
            shared.append(here - there)
    return msgspec.structs.replace(
        one,
        difference=None if mine is None or theirs is None else mine - theirs,
        mean_difference=None if one.mean is None or reference.mean is None else one.mean - reference.mean,
        paired=Pair(machines=len(shared), difference=sum(shared) / len(shared) if shared else None),
    )


def _known(value: float | None) -> float:
    return -1.0 if value is None else value


def _warnings(groups: Sequence[Group], told: _Told) -> Iterable[str]:
    if len(groups) < 2:
        yield "there is only one group: nothing to compare" if groups else "nothing is told of any machine in this time"
        return
    if all(one.paired is not None and one.paired.machines == 0 for one in groups if one.paired is not None):
        yield "no machine was in more than one group: what differs between groups may be what differs between machines"
    if told.best:
        yield "this is what was observed, not what was tried: other things may have differed with the setting"
