"""What other distributions bring: the entry points that they declare in our groups. Ours are found in the same way.

A plug-in is code that runs with the rights of the platform. So none of another distribution is loaded before the
operator names that distribution (`plugins` in `gemel.yaml`), none takes the name of one of ours, and one that cannot be
loaded is told as such and takes nothing else with it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

import msgspec

from gemel.errors import InvalidDocument, MissingExtra, NotFound, PluginFailed, Problem, UnknownPlugin

__all__ = ["CONNECTORS", "EXCHANGES", "FUNCTIONS", "GROUPS", "IMPORTERS", "PlugIn", "installed", "listed", "load"]
__all__ += ["names", "owner_of", "settings_for", "trusted"]

CONNECTORS, FUNCTIONS = "gemel.connectors", "gemel.functions"
IMPORTERS, EXCHANGES = "gemel.importers", "gemel.exchanges"
GROUPS = {CONNECTORS: "connector kind", IMPORTERS: "importer", EXCHANGES: "exchange", FUNCTIONS: "function"}
"""Group → what one of it is called."""
OWN = "gemel"
"""The distribution that need not be named."""

Standing = Literal["ready", "apart", "missing", "failed", "not named", "taken"]
"""ready: it may be used. apart: it is loaded in a process of its own, when it is needed. missing: a package that it
needs is not installed. failed: its code could not be loaded. not named: the operator does not name its distribution.
taken: another one has its name."""


class PlugIn(msgspec.Struct, frozen=True, kw_only=True):
    """One that is installed, and how it stands."""

    group: str
    name: str
    object: str
    """module:name"""
    distribution: str
    version: str
    standing: Standing
    reason: str = ""
    """Why it may not be used, and the way out."""


def installed(group: str) -> tuple[EntryPoint, ...]:
    """All entry points of a group: ours first, then by their distributions."""
    return _installed(group, tuple(sys.path))


@lru_cache(maxsize=64)
def _installed(group: str, _path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    points = entry_points(group=group)
    return tuple(sorted(points, key=lambda one: (owner_of(one) != OWN, owner_of(one), one.name)))


def owner_of(point: EntryPoint) -> str:
    """Its distribution."""
    return _canonical(point.dist.name) if point.dist is not None else ""


def trusted(point: EntryPoint, named: Collection[str]) -> bool:
    """Whether its code may be loaded."""
    return owner_of(point) in {OWN, *map(_canonical, named)}


def _canonical(name: str) -> str:
    """A distribution's name as PyPA's specification of names compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _registered(group: str, named: Collection[str]) -> Mapping[str, EntryPoint]:
    """By name: nobody takes the place of ours, nor of a distribution that is named before it."""
    found: dict[str, EntryPoint] = {}
    for owner in (OWN, *map(_canonical, named)):
        for point in installed(group):
            if owner_of(point) == owner:
                found.setdefault(point.name, point)
    return found


def names(group: str, named: Collection[str] = ()) -> list[str]:
    """Those of a group that may be used: our own, and those of the distributions that are `named`."""
    return sorted(_registered(group, named))


def load(group: str, name: str, named: Collection[str] = (), *, unknown: type[NotFound] = UnknownPlugin) -> Any:
    """What is registered as `name`, by us or by one of the distributions that are `named`.

    Raises `unknown`, also for one of another distribution (nothing of it is loaded), MissingExtra when what it needs
    is not installed, PluginFailed when its own code cannot be loaded.
    """
    what = GROUPS[group]
    point = _registered(group, named).get(name)
    if point is not None:
        return _loaded(point, what)
    others = sorted({owner_of(one) for one in installed(group) if one.name == name})
    if others:
        raise unknown(f"{what} {name!r:.80} is of the distribution {' or '.join(others)}, {_untrusted(others[0])}")
    told = ", ".join(names(group, named)) or "none"
    raise unknown(f"there is no {what} {name!r:.80}; installed are {told}")


def _untrusted(owner: str) -> str:
    return (
        f"which runs as the server; if you trust it, write `plugins: [{owner}]` in the plant's gemel.yaml and start "
        "again"
    )


def _loaded(point: EntryPoint, what: str) -> Any:
    try:
        return point.load()
    except ModuleNotFoundError as error:
        if point.module == error.name or (error.name or "").startswith(f"{point.module}."):
            raise _failure(point, what, error) from error
        if owner_of(point) in (OWN, ""):
            way = f"pip install 'gemel[{point.extras[0] if point.extras else point.name}]'"
        else:
            way = f"install it beside {owner_of(point)}"
        raise MissingExtra(f"{what} {point.name!r} needs {error.name}: {way}") from error
    except (Exception, SystemExit) as error:  # whatever its code does when it is imported, the platform goes on
        raise _failure(point, what, error) from error


def _failure(point: EntryPoint, what: str, error: BaseException) -> PluginFailed:
    version = point.dist.version if point.dist is not None else ""
    told = f"{type(error).__name__}: {error!s:.300}"
    return PluginFailed(
        f"{what} {point.name!r} of {owner_of(point)} {version} cannot be loaded ({told}); mend or update that "
        "distribution, or take it off `plugins` in gemel.yaml"
    )


def settings_for(plugin: Any, told: Mapping[str, Any], where: str) -> Any:
    """What a document says under `settings`, as the plug-in's Settings. Raises InvalidDocument naming the field."""
    try:
        return msgspec.convert(told, plugin.Settings)
    except (msgspec.ValidationError, ValueError) as error:
        message, _, path = str(error).partition(" - at `$")
        raise InvalidDocument(where, [Problem(message, field=f"settings{path.rstrip('`')}")]) from error
    except AttributeError:
        raise PluginFailed(f"{plugin!r:.100} has no Settings (a msgspec struct): it is no plug-in of ours") from None


def listed(named: Collection[str] = (), *, broken: Mapping[str, str] | None = None) -> list[PlugIn]:
    """All that are installed, group by group. Those that may be used are loaded for it, but functions: these run in
    processes of their own (`broken`: what is wrong with some, by their object)."""
    found = []
    for group in GROUPS:
        registered = _registered(group, named)
        for point in installed(group):
            holder = registered[point.name] if trusted(point, named) else None
            standing, reason = _standing(group, point, named, holder)
            if standing == "apart" and broken and (fault := broken.get(point.value)):
                standing, reason = "failed", fault
            found.append(
                PlugIn(
                    group=group,
                    name=point.name,
                    object=point.value.partition(" ")[0],
                    distribution=owner_of(point),
                    version=point.dist.version if point.dist is not None else "",
                    standing=standing,
                    reason=reason,
                )
            )
    return found


def _standing(group: str, point: EntryPoint, named: Collection[str], holder: EntryPoint | None) -> tuple[Standing, str]:
    if not trusted(point, named):
        return "not named", f"it is of {owner_of(point)}, {_untrusted(owner_of(point))}"
    if holder is not point:
        told = owner_of(holder) if holder is not None else ""
        return "taken", f"{told} has a plug-in of this name already"
    if group == FUNCTIONS:
        return "apart", ""
    if owner_of(point) == OWN and not point.extras:
        return "ready", ""  # it comes with us, with all that it needs
    try:
        _loaded(point, GROUPS[group])
    except MissingExtra as error:
        return "missing", error.detail
    except PluginFailed as error:
        return "failed", error.detail
    return "ready", ""
