"""The entity sets and the document that describes them. OData CSDL XML 4.01."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lxml import etree

__all__ = ["SETS", "EntitySet", "metadata", "service"]

_EDMX = "http://docs.oasis-open.org/odata/ns/edmx"
_EDM = "http://docs.oasis-open.org/odata/ns/edm"
_NAMESPACE = "Gemel"
STRING, NUMBER, WHOLE, YES, MOMENT = "Edm.String", "Edm.Double", "Edm.Int64", "Edm.Boolean", "Edm.DateTimeOffset"


@dataclass(frozen=True, slots=True)
class EntitySet:
    """A table as Excel sees it."""

    name: str
    entity: str
    keys: tuple[str, ...]
    """What tells a row from all others; also the order in which rows come."""
    columns: dict[str, str]
    """Name → type; those of `keys` are never null."""
    about: str


SETS = {
    one.name: one
    for one in (
        EntitySet(
            "Twins",
            "Twin",
            ("Id",),
            {
                "Id": STRING,
                "Name": STRING,
                "Types": STRING,
                "Description": STRING,
                "Serial": STRING,
                "Stage": STRING,
                "Revision": WHOLE,
                "Created": MOMENT,
                "Changed": MOMENT,
            },
            "Every twin.",
        ),
        EntitySet(
            "Now",
            "Value",
            ("Twin", "Property"),
            {
                "Twin": STRING,
                "Property": STRING,
                "Number": NUMBER,
                "Text": STRING,
                "Unit": STRING,
                "Quality": STRING,
                "Fresh": YES,
                "Time": MOMENT,
                "Recorded": MOMENT,
                "Position": WHOLE,
            },
            "Every property of every twin as it is now; numbers in Number (booleans as 1 and 0), all else in Text.",
        ),
        EntitySet(
            "Readings",
            "Reading",
            ("Twin", "Property", "Position"),
            {
                "Twin": STRING,
                "Property": STRING,
                "Position": WHOLE,
                "Time": MOMENT,
                "Number": NUMBER,
                "Text": STRING,
                "Unit": STRING,
                "Quality": STRING,
                "Recorded": MOMENT,
            },
            "Readings of one property of one twin: $filter=Twin eq 'a' and Property eq 'b' and Time ge …; "
            "without Time, the last 24 hours.",
        ),
        EntitySet(
            "Events",
            "Event",
            ("Position",),
            {
                "Position": WHOLE,
                "Twin": STRING,
                "Kind": STRING,
                "Time": MOMENT,
                "Recorded": MOMENT,
                "Source": STRING,
                "Id": STRING,
                "Body": STRING,
            },
            "What happened, by time; details as JSON in Body.",
        ),
    )
}


def service(root: str) -> dict[str, Any]:
    """The service document: which sets there are."""
    return {
        "@odata.context": f"{root}/$metadata",
        "value": [{"name": name, "kind": "EntitySet", "url": name} for name in SETS],
    }


def metadata() -> bytes:
    """The CSDL document."""
    edmx = etree.Element(f"{{{_EDMX}}}Edmx", Version="4.0", nsmap={"edmx": _EDMX})
    services = etree.SubElement(edmx, f"{{{_EDMX}}}DataServices")
    schema = etree.SubElement(services, f"{{{_EDM}}}Schema", Namespace=_NAMESPACE, nsmap={None: _EDM})
    for one in SETS.values():
        entity = etree.SubElement(schema, f"{{{_EDM}}}EntityType", Name=one.entity)
        key = etree.SubElement(entity, f"{{{_EDM}}}Key")
        for name in one.keys:
            etree.SubElement(key, f"{{{_EDM}}}PropertyRef", Name=name)
        for name, kind in one.columns.items():
            property = etree.SubElement(entity, f"{{{_EDM}}}Property", Name=name, Type=kind)
            if name in one.keys:
                property.set("Nullable", "false")
            if kind == MOMENT:
                property.set("Precision", "6")
    container = etree.SubElement(schema, f"{{{_EDM}}}EntityContainer", Name="Plant")
    for one in SETS.values():
        listed = etree.SubElement(
            container, f"{{{_EDM}}}EntitySet", Name=one.name, EntityType=f"{_NAMESPACE}.{one.entity}"
        )
        told = etree.SubElement(listed, f"{{{_EDM}}}Annotation", Term="Org.OData.Core.V1.Description")
        told.set("String", one.about)
    return bytes(etree.tostring(edmx, xml_declaration=True, encoding="utf-8"))
