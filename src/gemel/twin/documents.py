"""Twin types and plants from text: YAML or JSON, checked through and through, every fault with its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from gemel.errors import InvalidDocument, Problem
from gemel.twin.check import check_plant, check_type
from gemel.twin.spec import Plant
from gemel.twin.structure import build
from gemel.twin.types import TwinType
from gemel.twin.yaml import Places, parse_yaml, places

__all__ = ["located", "merge_plants", "parse_plant", "parse_type", "refusal"]

T = TypeVar("T")


def parse_type(text: str | bytes, name: str = "twin type") -> TwinType:
    """One twin type. Raises InvalidDocument with all faults, each with line, column and field."""
    return _parse(text, name, TwinType, check_type)


def parse_plant(text: str | bytes, name: str = "plant document") -> Plant:
    """A plant document. Raises InvalidDocument with all faults, each with line, column and field.

    The plant remembers its text, so that faults found later (by `Registry.plan`) have a place too.
    """
    plant = _parse(text, name, Plant, check_plant)
    _remember(plant, [_Origin(name, _decoded(text, name), plant)])
    return plant


def merge_plants(plants: Sequence[Plant], name: str = "plant") -> Plant:
    """Several documents as one. Raises InvalidDocument for what is declared twice among them."""
    sites = [plant.site for plant in plants if plant.site is not None]
    merged = Plant(
        site=sites[0] if sites else None,
        types=tuple(t for plant in plants for t in plant.types),
        twins=tuple(t for plant in plants for t in plant.twins),
        connectors=tuple(c for plant in plants for c in plant.connectors),
    )
    _remember(merged, [origin for plant in plants for origin in _origins(plant)])
    problems = check_plant(merged)
    if len(set(sites)) > 1:
        problems.append(Problem("two documents declare different sites", "site"))
    if problems:
        raise InvalidDocument(name, located(merged, problems))
    return merged


def _parse(text: str | bytes, name: str, kind: type[T], check: Callable[[T], list[Problem]]) -> T:
    decoded = _decoded(text, name)
    made, faults = build(_plain(decoded, name), kind)
    if made is not None:
        faults = [(problem, False) for problem in check(made)]
        if not faults:
            return made
    where = places(decoded, name)
    raise InvalidDocument(name, [_placed(problem, where, key=key) for problem, key in faults])


def _decoded(text: str | bytes, name: str) -> str:
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        raise InvalidDocument(name, [Problem("this is not UTF-8; save it as UTF-8", "", line)]) from error


def _plain(text: str, name: str) -> Any:
    if text.lstrip()[:1] == "{":
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            pass  # YAML's reader says where the fault is, and reads what only looks like JSON
    value = parse_yaml(text, name)
    if not isinstance(value, dict):
        raise InvalidDocument(name, [Problem("a document is a mapping (key: value)", "", 1, 1)])
    return value


def _placed(problem: Problem, where: Places, *, key: bool = False) -> Problem:
    line, column = where.locate(problem.field, key=key)
    return replace(problem, line=line, column=column)


class _Origin:
    """Where the members of a plant were written: the name and text, and how many of each it brought."""

    def __init__(self, name: str, text: str, plant: Plant) -> None:
        self.name = name
        self.text = text
        self.counts = {"types": len(plant.types), "twins": len(plant.twins), "connectors": len(plant.connectors)}


def _remember(plant: Plant, origins: list[_Origin]) -> None:
    msgspec.structs.force_setattr(plant, "origins", origins)


def _origins(plant: Plant) -> list[_Origin]:
    return list(getattr(plant, "origins", ()))


def located(plant: Plant, problems: Sequence[Problem]) -> list[Problem]:
    """The problems of a plant with line and column, and the document's name when it was made of several."""
    origins = _origins(plant)
    if not origins:
        return list(problems)
    known: dict[int, Places] = {}
    found = []
    for problem in problems:
        which, field = _local(origins, problem.field)
        if which not in known:
            known[which] = places(origins[which].text, origins[which].name)
        placed = _placed(replace(problem, field=field), known[which])
        if len(origins) > 1:
            placed = replace(placed, message=f"{placed.message} ({origins[which].name})")
        found.append((which, placed))
    return [placed for _, placed in sorted(found, key=lambda f: (f[0], f[1].line, f[1].column))]


def refusal(plant: Plant, problems: Sequence[Problem]) -> InvalidDocument:
    """What another program found in a plant, with the places in the documents it was read from here."""
    names = list(dict.fromkeys(origin.name for origin in _origins(plant)))
    whole = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
    return InvalidDocument(whole or "the plant", located(plant, [replace(p, line=0, column=0) for p in problems]))


def _local(origins: Sequence[_Origin], field: str) -> tuple[int, str]:
    """Which document a field of the whole is from, and what it is called there."""
    member, _, rest = field.partition("[")
    number, _, tail = rest.partition("]")
    if number.isdigit() and member in ("types", "twins", "connectors"):
        index = int(number)
        for which, origin in enumerate(origins):
            if index < origin.counts[member]:
                return which, f"{member}[{index}]{tail}"
            index -= origin.counts[member]
    return 0, field
