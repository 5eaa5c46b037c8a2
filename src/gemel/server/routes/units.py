"""Units in which a reader may see what is declared in another; the factors are of UCUM, as everywhere."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from litestar import get

from gemel.server.call import Call, call_of
from gemel.server.guard import needs
from gemel.server.http import Req
from gemel.server.options import API
from gemel.twin import Page, TwinType
from gemel.units import affine

__all__ = ["ROUTES"]

_QUANTITIES: tuple[tuple[tuple[str, str], ...], ...] = (
    # (metric, US customary): what is shown instead, by whole codes. K is not here: a difference of temperatures is
    # declared in it, and has no place on a scale with another zero.
    (("Cel", "[degF]"),),
    (("mm", "[in_i]"), ("um", "[mil_i]"), ("cm", "[in_i]"), ("m", "[ft_i]"), ("km", "[mi_i]")),
    (("mm2", "[sin_i]"), ("cm2", "[sin_i]"), ("m2", "[sft_i]")),
    (("L", "[gal_us]"), ("l", "[gal_us]"), ("mL", "[foz_us]"), ("ml", "[foz_us]"), ("m3", "[ft_i]3")),
    (("kg", "[lb_av]"), ("g", "[oz_av]"), ("t", "[ston_av]")),
    (("bar", "[psi]"), ("mbar", "[psi]"), ("hPa", "[psi]"), ("kPa", "[psi]"), ("MPa", "[psi]")),
    (("N", "[lbf_av]"), ("kN", "[lbf_av]")),
    (("N.m", "[lbf_av].[ft_i]"),),
    (("kW", "[HP]"),),
    (
        ("mm/s", "[in_i]/s"),
        ("mm/min", "[in_i]/min"),
        ("m/min", "[ft_i]/min"),
        ("m/s", "[ft_i]/s"),
        ("km/h", "[mi_i]/h"),
    ),
    (("L/min", "[gal_us]/min"), ("l/min", "[gal_us]/min"), ("m3/h", "[gal_us]/min"), ("L/h", "[gal_us]/h")),
)


class ShownIn(msgspec.Struct):
    """Shown = factor · declared + offset. Of a difference or a rate, the factor alone."""

    unit: str
    factor: float
    offset: float


class UnitView(msgspec.Struct):
    """A unit that types declare, and what else it can be shown in."""

    unit: str
    metric: str
    """For whom metric units were chosen."""
    us: str
    """For whom US customary units were chosen."""
    shown_in: list[ShownIn]


@get(f"{API}/units", opt=needs("read", "Fleet"), tags=["types"], summary="What units of types can be shown in")
async def units(request: Req) -> Page[UnitView]:
    """Of every unit that the types declare and that can be shown in another one."""
    call = call_of(request)
    return Page(await call.services.reads.run(_units, call))


def _units(call: Call) -> list[UnitView]:
    declared = sorted({unit for one in call.view.types() for unit in _declared(one)})
    return [found for unit in declared if (found := _view(unit)) is not None]


def _declared(type: TwinType) -> Iterator[str]:
    fields = [*type.properties, *(field for event in type.events for field in event.fields)]
    fields += [field for command in type.commands for field in (*command.input, *command.output)]
    yield from (field.unit for field in fields)
    yield from (goal.unit for goal in type.goals)


def _view(unit: str) -> UnitView | None:
    pairs = next((pairs for pairs in _QUANTITIES if any(unit in pair for pair in pairs)), None)
    if pairs is None:
        return None
    metric = next((metric for metric, us in pairs if unit in (metric, us)), unit)
    us = next((us for metric, us in pairs if unit in (metric, us)), unit)
    others = dict.fromkeys(one for column in zip(*pairs, strict=True) for one in column if one != unit)
    return UnitView(unit, metric, us, [ShownIn(other, *affine(unit, other)) for other in others])


ROUTES = [units]
