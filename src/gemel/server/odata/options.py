"""The system query options of a request. OData Protocol 4.01, 11.2.5 and 11.2.6."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gemel.errors import InvalidQuery
from gemel.server.odata.filters import Filter, parse_filter
from gemel.server.odata.model import MOMENT, EntitySet

__all__ = ["PAGE", "Asked", "asked_of"]

PAGE = 1000
"""Rows of one answer; the next ones are at its @odata.nextLink."""
_KNOWN = {"$select", "$filter", "$top", "$skip", "$skiptoken", "$count", "$orderby", "$format"}
_OURS = {"at_position"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks of a set."""

    columns: tuple[str, ...]
    """In the set's order."""
    selected: bool
    filter: Filter
    top: int | None
    skip: int
    token: str
    """Where the page begins; empty for the first."""
    count: bool
    newest_first: bool


def asked_of(given: Mapping[str, str], of: EntitySet) -> Asked:
    """Raises InvalidQuery for what is not understood: silence would be a wrong answer."""
    if unknown := {name for name in given if name not in _KNOWN | _OURS}:
        raise InvalidQuery(f"{min(unknown)[:40]} is not taken here; taken are {', '.join(sorted(_KNOWN))}")
    if given.get("$format", "json") not in ("json", "application/json") and not given["$format"].startswith(
        "application/json;"
    ):
        raise InvalidQuery("answers are JSON; leave $format out")
    wanted = [name.strip() for name in given.get("$select", "").split(",") if name.strip() not in ("", "*")]
    for name in wanted:
        if name not in of.columns:
            raise InvalidQuery(f"{of.name} has no column {name!r:.60}; it has {', '.join(of.columns)}")
    if given.get("$count", "false") not in ("true", "false"):
        raise InvalidQuery("$count is true or false")
    return Asked(
        columns=tuple(name for name in of.columns if not wanted or name in wanted),
        selected=bool(wanted),
        filter=parse_filter(given.get("$filter", ""), of),
        top=_number(given, "$top"),
        skip=_number(given, "$skip") or 0,
        token=given.get("$skiptoken", ""),
        count=given.get("$count") == "true",
        newest_first=_newest_first(given.get("$orderby", ""), of),
    )


def _number(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 12:
        raise InvalidQuery(f"{name}={text:.40} is not a whole number")
    return int(text)


def _newest_first(text: str, of: EntitySet) -> bool:
    """Rows have one order, that of their keys or of their time; that may be asked for, and time also the other way."""
    words = text.replace(",", " ").split()
    if not words:
        return False
    timed = of.columns.get("Time") == MOMENT and of.name != "Now"
    if timed and words[0] == "Time" and words[1:] in ([], ["asc"], ["desc"]):
        return words[1:] == ["desc"]
    if not timed and [word for word in words if word != "asc"] == list(of.keys)[: len(words)] and "desc" not in words:
        return False
    possible = "Time or Time desc" if timed else ", ".join(of.keys)
    raise InvalidQuery(f"{of.name} can be ordered by {possible}, not by {text!r:.60}")
