"""A plan: the difference between what is declared and what is, told before it is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from gemel.twin import Plant, TwinType

__all__ = ["Action", "FieldChange", "Plan", "Step", "differences", "type_differences"]

MAX_LINES = 400


class Action(StrEnum):
    CREATE = "create"
    CHANGE = "change"
    REMOVE = "remove"


class FieldChange(msgspec.Struct, frozen=True):
    """One field, before and after; None: it is not there."""

    field: str
    before: Any
    after: Any


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that would be created, changed or removed (a twin is retired, a link ended: nothing is erased)."""

    action: Action
    what: str
    """site, type, twin, link or connector."""
    id: str
    fields: tuple[FieldChange, ...] = ()
    link: tuple[str, str, str, str] | None = None
    """(kind, source, target, slot) of a link."""
    revision: int = 0
    """What the plan was made from: revision of a twin, version of a type; 0: not there."""


class Plan(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What `apply` would do. `str(plan)` is for people."""

    steps: tuple[Step, ...] = ()

    @property
    def plant(self) -> Plant:
        """The document behind it."""
        found: Plant = self.__dict__["plant"]
        return found

    @property
    def batch(self) -> int:
        """Under which its new twins have been staged; 0 if they have not."""
        return int(self.__dict__.get("batch", 0))

    def __bool__(self) -> bool:
        """Whether anything would change."""
        return bool(self.steps)

    def of(self, what: str, *actions: Action) -> list[Step]:
        """The steps of these kinds, in order."""
        if "grouped" not in self.__dict__:
            grouped: dict[tuple[str, Action], list[Step]] = {}
            for step in self.steps:
                grouped.setdefault((step.what, step.action), []).append(step)
            self.__dict__["grouped"] = grouped
        found = self.__dict__["grouped"]
        return [step for action in actions for step in found.get((what, action), ())]

    def counts(self) -> dict[str, int]:
        """create, change, remove → how many."""
        if "counted" not in self.__dict__:
            counted = Counter(step.action for step in self.steps)
            self.__dict__["counted"] = {action.value: counted[action] for action in Action}
        return dict(self.__dict__["counted"])

    def __str__(self) -> str:
        if not self.steps:
            return "Nothing to do: everything is as declared."
        counts = self.counts()
        lines = [f"{counts['create']} to create, {counts['change']} to change, {counts['remove']} to remove"]
        for step in self.steps:
            lines += _lines(step)
            if len(lines) > MAX_LINES:
                break
        more = sum(counts.values()) - sum(line[2:3] in "+~-" for line in lines[1:])
        return "\n".join([*lines, f"  … and {more} more"] if more > 0 else lines)


_SIGNS = {Action.CREATE: "+", Action.CHANGE: "~", Action.REMOVE: "-"}
_REMOVAL = {"twin": " (retire: its history stays)", "link": " (end: it stays in the history)"}


def _lines(step: Step) -> Iterator[str]:
    note = _REMOVAL.get(step.what, "") if step.action is Action.REMOVE else ""
    yield f"  {_SIGNS[step.action]} {step.what} {step.id}{note}"
    for change in step.fields:
        if change.before is None:
            yield f"      {change.field}: {_show(change.after)}"
        elif change.after is None:
            yield f"      {change.field}: {_show(change.before)} is taken away"
        else:
            yield f"      {change.field}: {_show(change.before)} → {_show(change.after)}"


def _show(value: Any) -> str:
    text = value if isinstance(value, str) and value else msgspec.json.encode(value).decode()
    return text if len(text) <= 100 else text[:97] + "…"


def differences(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> list[FieldChange]:
    """Field by field; mappings are compared within, all else as a whole."""
    found = []
    for key in [*before, *(key for key in after if key not in before)]:
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping) and old and new:
            found += differences(old, new, f"{prefix}{key}.")
        else:
            found.append(FieldChange(f"{prefix}{key}", old, new))
    return found


def type_differences(before: TwinType, after: TwinType, renamed: Mapping[str, str]) -> list[FieldChange]:
    """Member by member. `renamed`: new name of a property → its name before."""
    found = differences(_plain(before, ()), _plain(after, ()))
    for members in ("properties", "commands", "events", "slots"):
        olds = {m.name: m for m in getattr(before, members)}
        for new in getattr(after, members):
            old = olds.get(renamed.get(new.name, new.name))
            told = _told(new)
            if old is None:
                found.append(FieldChange(f"{members}.{new.name}", None, told))
            elif old != new:
                found += differences(_told(old), told, f"{members}.{new.name}.")
    order = [p.name for p in after.properties]
    was = [p.name for p in before.properties]
    if not found and order != was:
        found.append(FieldChange("order of properties", was, order))
    return found


def _plain(type_: TwinType, members: tuple[str, ...]) -> dict[str, Any]:
    whole = msgspec.to_builtins(type_)
    left_out = {"version", "properties", "commands", "events", "slots"} - set(members)
    return {key: value for key, value in whole.items() if key not in left_out}


def _told(member: msgspec.Struct) -> dict[str, Any]:
    """The fields that say something: all but the defaults."""
    plain = msgspec.to_builtins(member)
    defaults = {f.name: f.default for f in msgspec.structs.fields(member)}
    return {k: v for k, v in plain.items() if k in ("name", "kind") or getattr(member, k) != defaults[k]}
