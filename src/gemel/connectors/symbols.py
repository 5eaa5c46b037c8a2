"""Units as devices write them for people, and their UCUM codes."""

from __future__ import annotations

from gemel.errors import InvalidUnit
from gemel.units import check_unit

__all__ = ["ucum_of_symbol"]

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
