"""QIF, the Quality Information Framework (ISO 23952): what was measured of each component, against what it should be.

Read are measurement results with their characteristics, nominals and tolerances; statistics and geometry are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gemel.clock import parse_time
from gemel.errors import InvalidInput, InvalidTime
from gemel.safe_xml import local_name, parse_xml
from gemel.thread.importing.found import LARGEST, Given, record_node
from gemel.thread.importing.mapping import QifSource
from gemel.thread.nodes import Node, NodeKind
from gemel.thread.values import Measurement, Status

__all__ = ["read_qif"]

_UNITS = {
    "mm": "mm",
    "millimeter": "mm",
    "millimetre": "mm",
    "m": "m",
    "meter": "m",
    "metre": "m",
    "um": "um",
    "micrometer": "um",
    "inch": "[in_i]",
    "in": "[in_i]",
    "degree": "deg",
    "deg": "deg",
    "radian": "rad",
    "rad": "rad",
}
_ANGULAR = {"angle", "angle_between", "angle_from", "angularity_angle"}
_GEOMETRIC = "ToleranceValue"


def read_qif(given: Given, source: QifSource) -> None:
    """All components with their measurements. Raises InvalidInput, InvalidDocument (no XML, or a hostile one)."""
    root = parse_xml(given.data(), given.name, limit=LARGEST)
    if local_name(root) != "QIFDocument":
        raise InvalidInput(f"this is {local_name(root)}, no QIFDocument")
    _Reader(given, source, root).read()


class _Reader:
    def __init__(self, given: Given, source: QifSource, root: Any) -> None:
        self.given, self.source, self.root = given, source, root
        self.by_id = {id: one for one in root.iter() if isinstance(one.tag, str) and (id := one.get("id"))}
        self.linear = self._unit("LinearUnit", source.linear)
        self.angular = self._unit("AngularUnit", source.angular)

    def read(self) -> None:
        given, source = self.given, self.source
        product = next((_text(one, "Header", "Name") for one in self.root.iter("{*}Product")), "")
        made = next((one.text or "" for one in self.root.iter("{*}TimeCreated")), "")
        given.fields |= {"product": product, "made": made}
        time = self._time(source)
        seen: dict[str, str] = {}
        for results in self.root.iter("{*}MeasurementResults"):
            place = _place(results)
            serial = self._serial(results, place)
            if not serial:
                continue
            if serial in seen:
                given.found.fault(place, f"serial number {serial} is measured twice: also in {seen[serial]}")
                continue
            seen[serial] = place
            self._component(results, serial, time, place)
        if not seen:
            given.found.fault("", "there are no measurement results of a component with a serial number")

    def _time(self, source: QifSource) -> int | None:
        told = self.given.text(source.time) if source.time else ""
        if not told:
            return None
        try:
            return parse_time(told)
        except InvalidTime as error:
            raise InvalidInput(f"time: {error.detail}") from error

    def _unit(self, kind: str, expected: str) -> str:
        primary = next(self.root.iter("{*}PrimaryUnits"), None)
        told = "" if primary is None else next((_text(one, "UnitName") for one in primary.iter(f"{{*}}{kind}")), "")
        if not told:
            if expected:
                self.given.found.fault(
                    "", f"the file names no {kind}; {expected} is taken, as the mapping says", "note"
                )
            return expected
        unit = _UNITS.get(told.lower(), "")
        if not unit:
            self.given.found.fault("", f"{kind} {told!r:.40} is not known; known are {', '.join(_UNITS)}")
        elif expected and unit != expected:
            self.given.found.fault("", f"the file is in {unit}, and the mapping says {expected}")
        return unit

    def _serial(self, results: Any, place: str) -> str:
        """Of the component that was measured; faults where it cannot be told."""
        found = self.given.found
        ids = [one.text or "" for one in _children(_child(results, "ActualComponentIds"), "Id")]
        told = [_text(self.by_id.get(id), "SerialNumber") for id in ids]
        named = [one for one in told if one]
        if not named:
            found.fault(place, "the component has no serial number, so nobody can say which item this is", "left out")
            return ""
        if len(told) > 1:
            listed = ", ".join(one or "(no serial number)" for one in told)
            found.fault(place, f"the results name {len(told)} components: {listed}; {named[0]} is taken", "note")
        match = re.search(self.source.serial, named[0])
        if match is None or "serial" not in match.groupdict():
            found.fault(place, f"serial number {named[0]!r:.120} does not match {self.source.serial}")
            return ""
        return match["serial"]

    def _component(self, results: Any, serial: str, time: int | None, place: str) -> None:
        given, source = self.given, self.source
        status = next((one.text or "" for one in results.iter("{*}InspectionStatusEnum")), "")
        more = {"serial": serial, "status": status.lower()}
        try:
            record = given.record(source.record, **more)
            item = given.item(source.item, **more)
            born = parse_time(source.item.born)
        except (InvalidInput, InvalidTime) as error:
            given.found.fault(place, error.detail)
            return
        given.found.items.append((item, born))
        given.found.records.append((record, place))
        given.say("measured", record_node(record.id), Node(kind=NodeKind.ITEM, id=item.id), place)
        for link in source.links:
            given.link(link, record.id, place, **more)
        names: dict[str, int] = {}
        for actual in _actuals(results):
            measured = self._measurement(actual, record.id, item.id, names, time)
            if measured is None:
                continue
            if source.check and measured.characteristic == source.check:
                if measured.value is None or f"{measured.value:g}" != serial.lstrip("0"):
                    given.found.fault(_place(actual), f"{source.check} is {measured.value}, the serial number {serial}")
                continue
            given.found.measurements.append((measured, _place(actual)))

    def _measurement(
        self, actual: Any, inspection: str, item: str, names: dict[str, int], time: int | None
    ) -> Measurement | None:
        found, place = self.given.found, _place(actual)
        kind = local_name(actual).removesuffix("CharacteristicActual")
        what = self.by_id.get(_text(actual, "CharacteristicItemId"))
        nominal_of = self.by_id.get(_text(what, "CharacteristicNominalId"))
        definition = self.by_id.get(_text(nominal_of, "CharacteristicDefinitionId"))
        if what is None or nominal_of is None or definition is None:
            found.fault(place, "its characteristic is not in the file")
            return None
        told = _text(actual, "Value")
        value, nominal = _number(told), _number(_text(nominal_of, "TargetValue"))
        if told and value is None:
            found.fault(place, f"the value {told!r:.40} is no number")
            return None
        lower, upper = self._bounds(definition, nominal, place)
        quantity = re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()
        status = {"PASS": Status.PASS, "FAIL": Status.FAIL}.get(
            next((one.text or "" for one in actual.iter("{*}CharacteristicStatusEnum")), ""), Status.UNKNOWN
        )
        one = Measurement(
            number=0,
            inspection=inspection,
            item=item,
            characteristic=self._name(actual, what, names),
            quantity=quantity,
            nominal=nominal,
            lower=lower,
            upper=upper,
            value=value,
            unit=self.angular if quantity in _ANGULAR else self.linear,
            status=status,
            time=time,
            act=0,
            origin=None,
        )
        if value is not None and status is not Status.UNKNOWN and (one.off is not None) != (status is Status.FAIL):
            bounds = f"{'' if lower is None else lower} … {'' if upper is None else upper}"
            found.fault(place, f"{one.characteristic}: {value} in {bounds} is told as {status}", "note")
        return one

    def _name(self, actual: Any, what: Any, names: dict[str, int]) -> str:
        """Of a characteristic; several features of one have the feature's name beside it."""
        name = _text(what, "Name") or f"characteristic {what.get('id')}"
        ids = [one.text or "" for one in _children(_child(actual, "FeatureActualIds"), "Id")]
        feature = self.by_id.get(_text(self.by_id.get(ids[0]), "FeatureItemId")) if ids else None
        if feature is not None and (told := _text(feature, "FeatureName")):
            name = f"{name} of {told}"
        names[name] = names.get(name, 0) + 1
        return name if names[name] == 1 else f"{name} ({names[name]})"

    def _bounds(self, definition: Any, nominal: float | None, place: str) -> tuple[float | None, float | None]:
        """Absolute bounds: of a geometric tolerance its zone; of others the limits, as such or about the nominal."""
        zone = _number(_text(definition, _GEOMETRIC))
        if zone is not None:
            if zone < 0:
                self.given.found.fault(place, f"the tolerance zone {zone} is negative; {-zone} is taken", "note")
            return None, abs(zone)
        told = _child(definition, "Tolerance")
        if told is None:
            return None, None
        least, most = _number(_text(told, "MinValue")), _number(_text(told, "MaxValue"))
        if _text(told, "DefinedAsLimit") == "true":
            return least, most
        if nominal is None:
            self.given.found.fault(place, "the tolerance is about a nominal value that is not told", "note")
            return None, None
        return (
            None if least is None else round(nominal + least, 9),
            None if most is None else round(nominal + most, 9),
        )


def _actuals(results: Any) -> Iterator[Any]:
    for one in results.iter("{*}CharacteristicActuals"):
        yield from one


def _child(element: Any, name: str) -> Any:
    return None if element is None else next((one for one in element if local_name(one) == name), None)


def _children(element: Any, name: str) -> list[Any]:
    return [] if element is None else [one for one in element if local_name(one) == name]


def _text(element: Any, *path: str) -> str:
    for name in path:
        element = _child(element, name)
    return "" if element is None or element.text is None else element.text.strip()


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < 1e300 else None


def _place(element: Any) -> str:
    id = element.get("id")
    return f"line {element.sourceline}" + (f", //*[@id='{id}']" if id else "")
