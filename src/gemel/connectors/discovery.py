"""What a machine, broker or agent has to tell, looked up before anything is declared: `discover`.

A plug-in that can be looked into has, beside `Settings`, a coroutine `discover(settings, search, reach) -> Found`.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import msgspec

from gemel.connectors.base import plugin, settings_of
from gemel.connectors.reach import Reach
from gemel.errors import GemelError, InvalidDocument, InvalidInput, Overloaded
from gemel.twin import ConnectorSpec, Kind, Plant, PropertyType
from gemel.twin.check import secret_problems

__all__ = ["Found", "Point", "Search", "discover", "points_of"]

MOST_POINTS = 5_000
MOST_SECONDS = 30.0
GRACE_S = 25.0
"""For connecting and reading, beside the seconds of listening."""
SAMPLE_TEXT = 200
_at_once = threading.BoundedSemaphore(4)


class Search(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of it is looked up."""

    where: str = ""
    """Below this node (OPC UA), in this topic filter (MQTT), of this device (MTConnect); empty: everything."""
    seconds: float = 5.0
    """How long to listen, where nothing can be asked (MQTT, Sparkplug)."""
    most: int = 1_000
    """Points at most; what exceeds it is left out, and said."""
    addresses: tuple[str, ...] = ()
    """Of points found before: only these again, for their values now; the rest of such a point may be empty."""

    def __post_init__(self) -> None:
        if not 0.1 <= self.seconds <= MOST_SECONDS:
            raise ValueError(f"seconds is {self.seconds:g}; it must be between 0.1 and {MOST_SECONDS:g}")
        if not 1 <= self.most <= MOST_POINTS:
            raise ValueError(f"most is {self.most}; it must be between 1 and {MOST_POINTS}")
        if len(self.addresses) > MOST_POINTS:
            raise ValueError(f"{len(self.addresses)} addresses are too many; {MOST_POINTS} at most")


class Point(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that can be bound: where it is, what it says now, and the property that it could be."""

    address: str
    property: PropertyType
    place: tuple[str, ...] = ()
    """Names from the top down to what holds it, for people."""
    value: Any = None
    """A sample; long texts and lists are cut."""
    quality: str = ""
    """good, uncertain, bad or unavailable; empty when nothing was heard yet."""
    unit: str = ""
    """UCUM code of the source's values, where it is not the property's."""
    needs: dict[str, Any] = {}
    """Settings that the connector needs to read this point, merged into its own."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What was found."""

    kind: str
    settings: dict[str, Any]
    """For the connector."""
    points: list[Point]
    name: str = ""
    """What the machine could be called."""
    left_out: int = 0
    """Points beyond `Search.most`."""
    notes: list[str] = []
    """What a person should know."""


def discover(kind: str, settings: dict[str, Any], search: Search, reach: Reach) -> Found:
    """Look into what `settings` of a connector of `kind` lead to. Blocks, for `search.seconds` and the time to connect.

    Secrets in `settings` are references. Raises InvalidInput when it cannot be reached (the text says what to look at)
    or cannot be looked into, InvalidDocument for settings, Overloaded when four look already.
    """
    if refused := secret_problems(settings, "settings"):
        raise InvalidDocument("settings", refused)
    known = plugin(kind, reach.plugins)
    look = getattr(known, "discover", None)
    if look is None:
        raise InvalidInput(
            f"a connector of kind {kind!r:.40} cannot be looked into; declare its bindings by hand: docs/how-to"
        )
    given = settings_of(ConnectorSpec(id="discovery", kind=kind, settings=settings), known)
    if not _at_once.acquire(blocking=False):
        raise Overloaded("four discoveries are under way; try again in a few seconds", retry_after_s=5.0)
    try:
        found: Found = asyncio.run(_bounded(look(given, search, reach), search.seconds + GRACE_S))
    except TimeoutError as error:
        raise InvalidInput(
            f"{_where(settings)} did not answer in time; is the address right, the machine on, and no firewall between?"
        ) from error
    except GemelError:
        raise
    except (OSError, ConnectionError) as error:
        raise InvalidInput(_unreached(settings, error)) from error
    finally:
        _at_once.release()
    again = set(search.addresses)
    listed = [point for point in found.points if not again or point.address in again]
    points = listed[: search.most]
    return msgspec.structs.replace(
        found,
        kind=kind,
        settings={**settings, **found.settings},
        points=points,
        left_out=len(listed) - len(points),
    )


def points_of(plant: Plant, name_of: Any, values: dict[str, tuple[Any, str]] | None = None) -> list[Point]:
    """The points of a proposed plant: all bindings of its first connector, named for one twin."""
    types = {type_.id: {one.name: one for one in type_.properties} for type_ in plant.types}
    twins = {twin.id: twin for twin in plant.twins}
    places: dict[str, tuple[str, ...]] = {}
    for twin in plant.twins:  # wholes come before their parts
        whole = twin.declared_links()[0][1] if twin.part_of else ""
        places[twin.id] = (*places.get(whole, ()), twin.name or twin.id)
    taken: set[str] = set()
    points = []
    for binding in plant.connectors[0].bindings if plant.connectors else ():
        place = places[binding.twin]
        property = next(
            (types[id][binding.property] for id in twins[binding.twin].types if binding.property in types[id]), None
        )
        if property is None:
            continue
        wish = name_of(" ".join([*place[1:], property.name]))
        name = free(wish, taken)
        value, quality = (values or {}).get(binding.address, (None, ""))
        points.append(
            Point(
                address=binding.address,
                property=msgspec.structs.replace(property, name=name),
                place=place,
                value=sample_of(value),
                quality=quality,
                unit=binding.unit,
            )
        )
    return points


def free(wish: str, taken: set[str]) -> str:
    """`wish`, or with the first number that makes it another; it is taken then."""
    number, name = 1, wish
    while name in taken:
        number += 1
        name = f"{wish}_{number}"
    taken.add(name)
    return name


def sample_of(value: Any) -> Any:
    """A value for people to look at: not longer than a line."""
    if isinstance(value, str):
        return value if len(value) <= SAMPLE_TEXT else value[:SAMPLE_TEXT] + "…"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 53:
        return str(value)[:SAMPLE_TEXT]
    if isinstance(value, list | tuple):
        return [sample_of(one) for one in value[:8]] + (["…"] if len(value) > 8 else [])
    if isinstance(value, dict):
        return {str(key)[:64]: sample_of(value[key]) for key in list(value)[:8]}
    return value if value is None or isinstance(value, bool | int | float) else sample_of(str(value))


def kind_of(value: Any) -> Kind:
    """The kind of property that a sample fits. Whole numbers of measurements have decimals later: number."""
    if isinstance(value, bool):
        return Kind.BOOLEAN
    if isinstance(value, int | float):
        return Kind.NUMBER
    if isinstance(value, list):
        numeric = all(isinstance(one, int | float) and not isinstance(one, bool) for one in value)
        return Kind.ARRAY if numeric else Kind.OBJECT
    return Kind.OBJECT if isinstance(value, dict) else Kind.TEXT


async def _bounded(look: Any, seconds: float) -> Any:
    async with asyncio.timeout(seconds):
        return await look


def _where(settings: dict[str, Any]) -> str:
    return f"{settings.get('url', 'it')!s:.200}"


def _unreached(settings: dict[str, Any], error: Exception) -> str:
    where, told = _where(settings), str(error) or type(error).__name__
    told = told.removeprefix(f"{where}: ")
    if (
        isinstance(error, ConnectionRefusedError)
        and error.errno is None
        and not isinstance(error.__cause__, TimeoutError)
    ):
        return f"{where}: {told:.500}"  # it answers, and said why not
    return (
        f"{where} cannot be reached: {told:.300}. Look at the address and port, that the machine is on, "
        "and that it lets this server in"
    )
