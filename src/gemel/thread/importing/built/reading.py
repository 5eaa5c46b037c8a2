"""As-built lists, CSV or a sheet of a workbook: which serial number was built into which slot of which machine."""

from __future__ import annotations

import re
from typing import Any

from gemel.clock import parse_time
from gemel.errors import InvalidInput, InvalidTime
from gemel.thread.importing.found import Given, Level, ListedLine
from gemel.thread.importing.mapping import AsBuiltSource
from gemel.thread.importing.rows import Table

__all__ = ["moment_of", "read_as_built"]

_DAY = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(.*)")
_PATH = re.compile(r"\s*[/›>\\]\s*")


def read_as_built(given: Given, source: AsBuiltSource) -> None:
    """The list as a record, and its lines; what they mean is told by what is known. Raises InvalidInput."""
    table = Table(given, source.sheet)
    table.needs(source.part)
    table.needs(source.slot)
    if not (table.has(source.serial) or table.has(source.lot)):
        table.needs(source.serial)
    if not (table.has(source.machine) or "machine" in given.fields):
        table.needs(source.machine)
    since = moment_of(source.since) if source.since else None
    spec = given.record(source.record)
    given.found.records.append((spec, ""))
    for link in source.links:
        given.link(link, spec.id, "")
    level: Level = "error" if source.faults == "refuse" else "left out"
    for place, row in table:
        try:
            given.found.listed.append(_line(given, source, table, place, row, since))
        except (InvalidInput, InvalidTime) as error:
            given.found.fault(place, error.detail, level)
    if not given.found.listed and not given.found.faults:
        given.found.fault("", "there is no row below the heading")


def _line(
    given: Given, source: AsBuiltSource, table: Table, place: str, row: list[Any], since: int | None
) -> ListedLine:
    names = ("machine", "slot", "part", "maker", "revision", "serial", "lot", "source")
    told = {name: table.cell(row, getattr(source, name)) for name in names}
    machine = told["machine"] or given.fields.get("machine", "")
    path = tuple(one for one in _PATH.split(told["slot"]) if one)
    if not machine:
        raise InvalidInput("it does not say of which machine")
    if not told["part"]:
        raise InvalidInput("it has no part number")
    for name, longest in (("part", 128), ("maker", 128), ("serial", 128), ("lot", 128), ("revision", 64)):
        if len(told[name]) > longest:
            raise InvalidInput(f"{name} {told[name]:.40} … is longer than {longest} characters")
    if any(len(one) > 128 for one in path):
        raise InvalidInput("a slot has a name of 1 to 128 characters")
    when = table.cell(row, source.installed)
    serial = told["serial"] or (machine if not path else "")
    name = serial or "-".join([told["lot"], machine, *path] if told["lot"] else [machine, *path])
    more = {**told, "machine": machine, "serial": serial, "name": name, "slot": "-".join(path)}
    return ListedLine(
        machine=machine,
        path=path,
        id=given.text("{machine|id}" if not path else source.item, **more),
        part=told["part"],
        maker=told["maker"],
        revision=told["revision"],
        serial=serial,
        lot=told["lot"],
        quantity=_quantity(table.cell(row, source.quantity)),
        at=moment_of(when) if when else since,
        evidence=told["source"] or f"record:{given.found.records[0][0].id}",
        place=place,
    )


def _quantity(text: str) -> int:
    if text and not (text.isdecimal() and len(text) <= 9 and int(text) > 0):
        raise InvalidInput(f"quantity is a whole number, 1 to 999,999,999, not {text!r:.40}")
    return int(text or 1)


def moment_of(text: str) -> int:
    """Of a date or a time, UTC where it says no offset. Raises InvalidTime."""
    if found := _DAY.fullmatch(text):
        text = f"{found[3]}-{int(found[2]):02}-{int(found[1]):02}{found[4]}"
    whole = f"{text}T00:00:00" if len(text) == 10 else text
    for zone in ("", "Z"):
        try:
            return parse_time(whole + zone)
        except InvalidTime:
            continue
    raise InvalidTime(f"{text!r:.60} is no date; write it like 2026-01-31, or 2026-01-31T12:00:00Z")
