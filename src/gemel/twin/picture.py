"""The picture of a type: an SVG with places for live values. It says shapes and words; how they look is the app's.

What is not listed here is refused: no scripts, styles, colours, links, images or references, so a picture that somebody
else made can be shown to anybody, in light and in dark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lxml import etree

from gemel.twin.reading import Kind

if TYPE_CHECKING:
    from gemel.twin.types import PropertyType, TwinType

__all__ = ["CLASSES", "picture_problems"]

MAX_CHARACTERS = 65_536
MAX_ELEMENTS = 2_000
MAX_DEPTH = 32
_SVG = "{http://www.w3.org/2000/svg}"
_SIZES = ("x", "y", "width", "height", "rx", "ry", "r", "cx", "cy", "x1", "y1", "x2", "y2", "dx", "dy")
_GEOMETRY = frozenset({"d", "points", "transform", *_SIZES})
CLASSES = frozenset({"pipe", "vessel", "liquid", "equipment", "sign", "name", "value"})
"""What a shape or a word is; the app gives each its look."""
_ALLOWED: Mapping[str, frozenset[str]] = {
    "svg": frozenset({"viewBox"}),
    "text": _GEOMETRY | {"text-anchor", "data-value"},
    "tspan": _GEOMETRY | {"data-value"},
    "rect": _GEOMETRY | {"data-fill"},
    **dict.fromkeys(("g", "path", "circle", "ellipse", "line", "polyline", "polygon"), _GEOMETRY),
    **dict.fromkeys(("title", "desc"), frozenset[str]()),
}
_EVERYWHERE = frozenset({"class", "data-active"})
_PLAIN = re.compile(r"[\w\s.,()+\-]*", re.ASCII)
_NAME = r"[A-Za-z][A-Za-z0-9_]*"
_PLACE = re.compile(rf"({_NAME}(?:\.{_NAME}){{0,7}})(?:=([\w \-]{{1,64}}))?")


def picture_problems(type_: TwinType) -> Iterator[str]:
    """Every fault of the type's picture, with its line; none for an empty one."""
    if not type_.picture:
        return
    if len(type_.picture) > MAX_CHARACTERS:
        yield f"a picture has at most {MAX_CHARACTERS:,} characters, not {len(type_.picture):,}"
        return
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(type_.picture.encode(), parser)
    except etree.XMLSyntaxError as error:
        yield f"line {error.position[0]}: it is no well-formed SVG: {error.msg}"
        return
    if root.getroottree().docinfo.doctype:
        yield "a picture has no DOCTYPE; remove it"
        return
    if root.tag != f"{_SVG}svg" or not root.get("viewBox"):
        yield 'it begins with <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 300">'
        return
    for number, element in enumerate(root.iter()):
        if number >= MAX_ELEMENTS or sum(1 for _ in element.iterancestors()) >= MAX_DEPTH:
            yield f"a picture has at most {MAX_ELEMENTS:,} elements, in {MAX_DEPTH} levels"
            return
        for fault in _faults(element, type_):
            yield f"line {element.sourceline}: {fault}"


def _faults(element: Any, type_: TwinType) -> Iterator[str]:
    if element.tag is etree.Comment:
        return
    tag = element.tag.removeprefix(_SVG) if isinstance(element.tag, str) else "an instruction or entity"
    allowed = _ALLOWED.get(tag)
    if allowed is None:
        yield f"{tag} is not taken; a picture is made of {', '.join(sorted(_ALLOWED))}"
        return
    for name, value in element.attrib.items():
        if name not in allowed and (name not in _EVERYWHERE or tag in ("title", "desc")):
            yield f"{tag} takes no {name}; it takes {', '.join(sorted(allowed | _EVERYWHERE))}"
        elif name == "class":
            if unknown := sorted(set(value.split()) - CLASSES):
                yield f"there is no class {', '.join(unknown)}; there is {', '.join(sorted(CLASSES))}"
        elif name.startswith("data-"):
            if fault := _place_fault(name, value, type_):
                yield f'{name}="{value:.80}": {fault}'
        elif not _PLAIN.fullmatch(value):
            yield f"{name} holds {value!r:.80}; it takes numbers and the words of paths and transforms"


def _place_fault(name: str, value: str, type_: TwinType) -> str:
    """Why a place cannot show what it names; empty if it can. Properties of components are of other types."""
    found = _PLACE.fullmatch(value)
    if found is None or (found[2] is not None and name != "data-active"):
        return "name a property, or slot.property" + (", or property=word" if name == "data-active" else "")
    first, _, rest = found[1].partition(".")
    if rest:
        slots = [slot.name for slot in type_.slots]
        return "" if first in slots else f"the type has no slot {first}; it has {', '.join(slots) or 'none'}"
    property_ = next((one for one in type_.properties if one.name == first), None)
    if property_ is None:
        return f"the type has no property {first}"
    return _unfit(name, found[2], property_)


def _unfit(name: str, word: str | None, property_: PropertyType) -> str:
    if name == "data-fill" and (property_.minimum is None or property_.maximum is None):
        return f"{property_.name} needs minimum and maximum, between which it fills"
    if word is not None and property_.kind is Kind.ENUMERATION and property_.values and word not in property_.values:
        return f"{property_.name} is never {word}; it is one of {', '.join(property_.values)}"
    return ""
