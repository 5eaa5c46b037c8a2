"""Engineering units of OPC UA (UNECE Recommendation 20 codes) and UCUM.

A unit's id is its UNECE code read as a number: "CEL" is 0x43454C. OPC 10000-8, 5.6.3.
"""

from __future__ import annotations

from asyncua import ua

from gemel.connectors.symbols import ucum_of_symbol

__all__ = ["eu_information", "ucum_of", "unit_id"]

UNECE = "http://www.opcfoundation.org/UA/units/un/cefact"

_UCUM = {
    "C62": "1",
    "P1": "%",
    "MTR": "m",
    "MMT": "mm",
    "CMT": "cm",
    "KMT": "km",
    "4H": "um",
    "INH": "[in_i]",
    "FOT": "[ft_i]",
    "MTS": "m/s",
    "2M": "cm/s",
    "C16": "mm/s",
    "KMH": "km/h",
    "2X": "m/min",
    "H81": "mm/min",
    "MSK": "m/s2",
    "SEC": "s",
    "C26": "ms",
    "B98": "us",
    "MIN": "min",
    "HUR": "h",
    "DAY": "d",
    "ANN": "a",
    "HTZ": "Hz",
    "KHZ": "kHz",
    "MHZ": "MHz",
    "RPM": "/min",
    "RPS": "/s",
    "C97": "rad/s",
    "2A": "rad/s",
    "DD": "deg",
    "C81": "rad",
    "E96": "deg/s",
    "CEL": "Cel",
    "KEL": "K",
    "FAH": "[degF]",
    "PAL": "Pa",
    "KPA": "kPa",
    "MPA": "MPa",
    "A97": "hPa",
    "BAR": "bar",
    "MBR": "mbar",
    "PS": "[psi]",
    "KGM": "kg",
    "GRM": "g",
    "TNE": "t",
    "LBR": "[lb_av]",
    "KGS": "kg/s",
    "E93": "kg/h",
    "KMQ": "kg/m3",
    "NEW": "N",
    "B47": "kN",
    "NU": "N.m",
    "MTK": "m2",
    "MMK": "mm2",
    "MTQ": "m3",
    "LTR": "L",
    "MLT": "mL",
    "MQH": "m3/h",
    "L2": "L/min",
    "E32": "L/h",
    "G51": "L/s",
    "MQS": "m3/s",
    "AMP": "A",
    "4K": "mA",
    "VLT": "V",
    "2Z": "mV",
    "KVT": "kV",
    "OHM": "Ohm",
    "WTT": "W",
    "KWT": "kW",
    "MAW": "MW",
    "D46": "V.A",
    "KVA": "kV.A",
    "D44": "V.A",
    "KVR": "kV.A",
    "JOU": "J",
    "KJO": "kJ",
    "WHR": "W.h",
    "KWH": "kW.h",
    "MWH": "MW.h",
    "FAR": "F",
    "81": "H",
    "D33": "T",
    "LUX": "lx",
    "2N": "dB",
    "59": "[ppm]",
    "B15": "J/kg",
}
_CODES = {ucum: code for code, ucum in reversed(_UCUM.items())}


def unit_id(code: str) -> int:
    """The number that stands for a UNECE code of up to three characters."""
    return int.from_bytes(code.encode("ascii"), "big")


def ucum_of(unit: ua.EUInformation) -> str:
    """The UCUM code of an engineering unit; empty when it is not known."""
    identifier = int(unit.UnitId or 0)
    if 0 < identifier < 1 << 24:
        code = identifier.to_bytes(3, "big").lstrip(b"\0").decode("ascii", "replace").strip()
        if code in _UCUM:
            return _UCUM[code]
    symbol = (unit.DisplayName.Text or "") if unit.DisplayName is not None else ""
    return ucum_of_symbol(symbol)


def eu_information(ucum: str) -> ua.EUInformation:
    """The engineering unit of a UCUM code; one without a UNECE code has its symbol alone."""
    code = _CODES.get(ucum, "")
    return ua.EUInformation(
        NamespaceUri=UNECE if code else "http://unitsofmeasure.org",
        UnitId=unit_id(code) if code else -1,
        DisplayName=ua.LocalizedText(ucum),
        Description=ua.LocalizedText(code or ucum),
    )
