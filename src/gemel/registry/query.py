"""What one may ask the registry for, and how it is written in a URL or on a command line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from gemel.errors import InvalidQuery
from gemel.twin import LifeStage

__all__ = ["LinkPath", "LinkStep", "PropertyCondition", "TwinQuery"]

MAX_LIMIT = 1000
_OPERATORS = (">=", "<=", "!=", ">", "<", "=")
_CONDITION = re.compile(r"([A-Za-z][A-Za-z0-9_]{0,63})\s*(>=|<=|!=|>|<|=)?\s*(.*)", re.DOTALL)
_STEP = re.compile(r"(\^?)([A-Za-z0-9][A-Za-z0-9._~-]*)(\*?)", re.ASCII)


class PropertyCondition(msgspec.Struct, frozen=True):
    """`name` (the twin has it) or `name>80` (its live value; the registry only checks that it has it)."""

    name: str
    operator: str = ""
    value: str = ""

    @classmethod
    def parse(cls, text: str) -> PropertyCondition:
        found = _CONDITION.fullmatch(text.strip())
        if found is None or bool(found[2]) != bool(found[3]):
            raise InvalidQuery(
                f"{text!r:.100} is no condition on a property; write name, name>80 or name=AUTOMATIC "
                f"(operators {' '.join(_OPERATORS)})"
            )
        return cls(found[1], found[2] or "", found[3].strip())


class LinkStep(msgspec.Struct, frozen=True):
    """One step along links of a kind."""

    kind: str
    any_depth: bool = False
    """One or more of them."""
    inverse: bool = False
    """From target to source."""


class LinkPath(msgspec.Struct, frozen=True):
    """`part_of:line-1`, `part_of*:line-1` (any depth), `part_of*/located_in:hall-2`, `^feeds:press-7` (its targets)."""

    steps: tuple[LinkStep, ...]
    target: str

    @classmethod
    def parse(cls, text: str) -> LinkPath:
        way, _, target = text.strip().partition(":")
        steps = [_STEP.fullmatch(step) for step in way.split("/")]
        if not target or len(steps) > 8 or None in steps:
            raise InvalidQuery(
                f"{text!r:.100} is no path of links; write part_of:line-1, part_of*:line-1 for any depth, "
                "part_of*/located_in:hall-2 for a way of at most 8 steps, ^feeds:press-7 for what press-7 feeds"
            )
        return cls(tuple(LinkStep(s[2], bool(s[3]), bool(s[1])) for s in steps if s is not None), target)


class TwinQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All conditions must hold. Retired and recycled twins only if stage, id, alias or serial asks for them."""

    q: str = ""
    """Part of the id, an alias, the serial number or the name; case does not matter."""
    id: str = ""
    alias: str = ""
    serial: str = ""
    type: str = ""
    stage: LifeStage | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    properties: tuple[PropertyCondition, ...] = ()
    linked: tuple[LinkPath, ...] = ()
    roots: bool = False
    """Only twins that are part of nothing."""
    retired: bool = False
    """Also retired and recycled ones."""
    limit: int = 100
    cursor: str = ""

    @classmethod
    def parse(cls, parameters: Mapping[str, str | Iterable[str]]) -> TwinQuery:
        """From URL parameters: q, id, alias, serial, type, stage, attribute=k:v, property=name>80, linked=kind*:id,
        roots, retired, limit, cursor; attribute, property and linked may repeat. Raises InvalidQuery."""

        def all_of(name: str) -> list[str]:
            given = parameters.get(name, ())
            return [given] if isinstance(given, str) else list(given)

        def one(name: str) -> str:
            return next(iter(all_of(name)), "")

        def flag(name: str) -> bool:
            text = one(name).lower()
            if text not in ("", "0", "1", "true", "false"):
                raise InvalidQuery(f"{name}={text!r:.40} is neither true nor false")
            return text in ("1", "true")

        attributes = [tuple(text.partition(":")[::2]) for text in all_of("attribute")]
        if not all(key and value for key, value in attributes):
            raise InvalidQuery("attribute is written key:value, for example attribute=maker:Acme")
        try:
            stage = LifeStage(one("stage")) if one("stage") else None
            limit = int(one("limit") or 100)
        except ValueError as error:
            stages = ", ".join(LifeStage)
            raise InvalidQuery(f"{error}; stage is one of {stages}, limit a whole number") from error
        if not 1 <= limit <= MAX_LIMIT:
            raise InvalidQuery(f"limit {limit} is not between 1 and {MAX_LIMIT}")
        return cls(
            q=one("q"),
            id=one("id"),
            alias=one("alias"),
            serial=one("serial"),
            type=one("type"),
            stage=stage,
            attributes=tuple((str(key), str(value)) for key, value in attributes),
            properties=tuple(PropertyCondition.parse(text) for text in all_of("property")),
            linked=tuple(LinkPath.parse(text) for text in all_of("linked")),
            roots=flag("roots"),
            retired=flag("retired"),
            limit=limit,
            cursor=one("cursor"),
        )
