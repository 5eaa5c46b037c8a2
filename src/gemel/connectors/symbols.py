"""Units as devices write them for people, and their UCUM codes."""

from __future__ import annotations

from gemel.errors import InvalidUnit
from gemel.units import check_unit

__all__ = ["ucum_of_symbol", "unit_of_name"]

_SYMBOLS = {
    "°C": "Cel",
    "C": "Cel",
    "°F": "[degF]",
    "K": "K",
    "rpm": "/min",
    "1/min": "/min",
    "r/min": "/min",
    "U/min": "/min",
    "°": "deg",
    "µm": "um",
    "μm": "um",
    "µs": "us",
    "m/s²": "m/s2",
    "m/s^2": "m/s2",
    "Nm": "N.m",
    "N·m": "N.m",
    "l/min": "L/min",
    "kWh": "kW.h",
    "Wh": "W.h",
    "Ω": "Ohm",
    "VA": "V.A",
    "kVA": "kV.A",
    "m³": "m3",
    "m³/h": "m3/h",
    "psi": "[psi]",
    "in": "[in_i]",
    "inch": "[in_i]",
    "ppm": "[ppm]",
    "": "",
}


def ucum_of_symbol(symbol: str) -> str:
    """The UCUM code of a unit's symbol (`°C`, `rpm`), or of one that is a code already; empty when it is not known."""
    symbol = symbol.strip()
    if symbol in _SYMBOLS:
        return _SYMBOLS[symbol]
    try:
        return check_unit(symbol)
    except InvalidUnit:
        return ""


_ENDINGS = {
    "c": "Cel",
    "degc": "Cel",
    "celsius": "Cel",
    "degf": "[degF]",
    "bar": "bar",
    "mbar": "mbar",
    "kpa": "kPa",
    "mpa": "MPa",
    "psi": "[psi]",
    "rpm": "/min",
    "hz": "Hz",
    "mm": "mm",
    "um": "um",
    "kg": "kg",
    "kn": "kN",
    "nm": "N.m",
    "percent": "%",
    "pct": "%",
    "v": "V",
    "a": "A",
    "ma": "mA",
    "w": "W",
    "kw": "kW",
    "kwh": "kW.h",
    "s": "s",
    "ms": "ms",
    "min": "min",
}


def unit_of_name(name: str) -> str:
    """The UCUM code that the end of a name tells (`oil_temp_c`, `speed_rpm`); empty when it tells none."""
    _, mark, ending = name.rpartition("_")
    return _ENDINGS.get(ending, "") if mark else ""
