"""STEP files (ISO 10303-21): products, their revisions, and what each is assembled of. Geometry is not read.

The exchange form is a list of instances, `#12 = NAME ( parameters ) ;`. Only the few that tell of the product structure
are looked at closely, so that files of some hundred megabytes can be read without a geometry kernel.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gemel.errors import InvalidInput
from gemel.thread.importing.found import Given, Use, record_node
from gemel.thread.importing.mapping import StepSource
from gemel.thread.nodes import Node, NodeKind

__all__ = ["instances", "read_step", "text_of"]

_WANTED = (
    "PRODUCT",
    "PRODUCT_DEFINITION",
    "PRODUCT_DEFINITION_WITH_ASSOCIATED_DOCUMENTS",
    "PRODUCT_DEFINITION_FORMATION",
    "PRODUCT_DEFINITION_FORMATION_WITH_SPECIFIED_SOURCE",
    "NEXT_ASSEMBLY_USAGE_OCCURRENCE",
)
_HEAD = re.compile(rf"#(\d{{1,12}})\s*=\s*({'|'.join(sorted(_WANTED, key=len, reverse=True))})\s*\(")
_WIDE = re.compile(r"\\X2\\([0-9A-F]+)\\X0\\|\\X4\\([0-9A-F]+)\\X0\\|\\X\\([0-9A-F]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DEEPEST = 100


def read_step(given: Given, source: StepSource) -> None:
    """The file as a record, its parts with their revisions, and the structure. Raises InvalidInput."""
    text = given.data().decode("latin-1")
    if not text.lstrip().startswith("ISO-10303-21;"):
        raise InvalidInput("it does not begin with ISO-10303-21; and so is no STEP file")
    if "END-ISO-10303-21;" not in text[-2000:]:
        raise InvalidInput("it has no END-ISO-10303-21; and so is cut short; copy it again")
    found = given.found
    known = {number: (name, values, line) for number, name, values, line in instances(text)}
    products = {n: values for n, (name, values, _) in known.items() if name == "PRODUCT"}
    formations = {n: values for n, (name, values, _) in known.items() if "FORMATION" in name}
    definitions = {
        n: values
        for n, (name, values, _) in known.items()
        if name.startswith("PRODUCT_DEFINITION") and "FORMATION" not in name
    }
    if not products:
        raise InvalidInput("it tells of no product")
    parts: dict[int, tuple[str, str]] = {}
    for number, values in definitions.items():
        formation = formations.get(_at(values, 2))
        product = products.get(_at(formation, 2)) if formation else None
        if product is None:
            found.fault(f"#{number}", f"the product of this definition is not in the file (line {known[number][2]})")
            continue
        if not (name := text_of(product, 0)):
            found.fault(f"#{number}", f"the product of this definition has no name (line {known[number][2]})")
            continue
        parts[number] = given.text(source.part, product=name), text_of(formation or [], 0)
    names = {text_of(values, 0): n for n, values in products.items()}
    spec = given.record(source.record, product=next(iter(names)))
    spec.attributes["products"] = list(names)[:200]
    found.records.append((spec, ""))
    found.book = source.book
    me = record_node(spec.id)
    for number, (part, revision) in parts.items():
        given.say("defines", me, Node(kind=NodeKind.PART, id=part, sub=revision), f"#{number}")
    for link in source.links:
        given.link(link, spec.id, "", product=next(iter(names)))
    _structure(given, known, parts)


def _structure(given: Given, known: dict[int, tuple[str, list[Any], int]], parts: dict[int, tuple[str, str]]) -> None:
    """One row for each usage; usages without a reference designator are counted together."""
    below: dict[str, set[str]] = {}
    same: dict[tuple[str, str, str, str, str], tuple[float, str]] = {}
    for number, (name, values, line) in known.items():
        if name != "NEXT_ASSEMBLY_USAGE_OCCURRENCE":
            continue
        place = f"#{number}"
        outer, inner = parts.get(_at(values, 3)), parts.get(_at(values, 4))
        if outer is None or inner is None:
            given.found.fault(place, f"what it joins is not in the file (line {line})")
            continue
        if outer[0] == inner[0] or _reaches(below, inner[0], outer[0]):
            given.found.fault(place, f"{inner[0]} would be within itself (line {line})")
            continue
        below.setdefault(outer[0], set()).add(inner[0])
        position = text_of(values, 5) or text_of(values, 1)
        key = (*outer, position or inner[0], *inner)
        count, first = same.get(key, (0.0, place))
        same[key] = count + 1, first
    for use, (count, place) in same.items():
        given.found.structure.append(Use(*use, count, place))


def _reaches(below: dict[str, set[str]], start: str, goal: str) -> bool:
    edge, seen = [start], set[str]()
    while edge:
        one = edge.pop()
        if one == goal:
            return True
        if one not in seen:
            seen.add(one)
            edge += below.get(one, ())
    return False


def instances(text: str) -> Iterator[tuple[int, str, list[Any], int]]:
    """(number, name, parameters, line) of the instances that tell of products. Raises InvalidInput."""
    line, counted = 1, 0
    for head in _HEAD.finditer(text):
        line += text.count("\n", counted, head.start())
        counted = head.start()
        values, _ = _parameters(text, head.end(), line, 0)
        yield int(head[1]), head[2], values, line


def _parameters(text: str, at: int, line: int, depth: int) -> tuple[list[Any], int]:
    """Those of a list whose opening bracket is just before `at`; and where it ends."""
    if depth > _DEEPEST:
        raise InvalidInput(f"lists within lists are too deep at line {line}")
    values: list[Any] = []
    word = ""
    while at < len(text):
        sign = text[at]
        if sign == "'":
            end = at + 1
            while True:
                end = text.find("'", end)
                if end < 0:
                    raise InvalidInput(f"a text that begins at line {line} does not end")
                if text[end + 1 : end + 2] != "'":
                    break
                end += 2
            word = text[at : end + 1]
            at = end + 1
        elif sign == "(":
            inner, at = _parameters(text, at + 1, line, depth + 1)
            values.append(inner)
            word = "\0"
        elif sign in ",)":
            if word != "\0" and (word.strip() or sign == ","):
                values.append(word.strip())
            word = ""
            at += 1
            if sign == ")":
                return values, at
        else:
            word += sign
            at += 1
    raise InvalidInput(f"the instance at line {line} does not end")


def _at(values: list[Any], place: int) -> int:
    told = values[place] if place < len(values) else ""
    return int(told[1:]) if isinstance(told, str) and re.fullmatch(r"#\d{1,12}", told) else -1


def text_of(values: list[Any], place: int) -> str:
    """A parameter as people read it; empty where there is none."""
    told = values[place] if place < len(values) else ""
    if not isinstance(told, str) or not told.startswith("'"):
        return ""
    plain = told[1:-1].replace("''", "'")

    def wide(found: re.Match[str]) -> str:
        if found[3]:
            return chr(int(found[3], 16))
        width, code = (4, "utf-16-be") if found[1] else (8, "utf-32-be")
        digits = found[1] or found[2]
        return bytes.fromhex(digits[: len(digits) // width * width]).decode(code, "replace")

    return _CONTROL.sub(" ", _WIDE.sub(wide, plain)).strip()
