"""Files that are records themselves, and lists with one record on each line."""

from __future__ import annotations

import re
from typing import Any

from gemel.errors import InvalidInput
from gemel.thread.documents import DocumentSpec
from gemel.thread.importing.found import Given, Program
from gemel.thread.importing.mapping import FileSource, ListSource

__all__ = ["read_file", "read_list"]

_HEAD = 1 << 16


def read_file(given: Given, source: FileSource) -> None:
    """The file as a record, with what its first lines tell; and as a document. Raises InvalidInput."""
    head = ""
    if source.text or source.lists:
        head = given.data()[:_HEAD].decode("utf-8-sig", "replace")
    for field, pattern in source.text.items():
        told = re.search(pattern, head, re.MULTILINE)
        if told is None:
            raise InvalidInput(f"nothing in it matches {pattern}, which is to tell {field}")
        given.fields[field] = told[1] if told.re.groups else told[0]
    spec = given.record(source.record)
    lists = {name: dict(re.findall(pattern, head, re.MULTILINE)) for name, pattern in source.lists.items()}
    for name, entries in lists.items():
        spec.attributes[name] = {str(key).strip(): str(value).strip() for key, value in entries.items()}
    given.found.records.append((spec, ""))
    for link in source.links:
        given.link(link, spec.id, "")
    if source.document is not None:
        paper = source.document
        names = ("id", "kind", "title", "version", "language", "note")
        told_of: dict[str, Any] = {name: given.text(getattr(paper, name)) for name in names}
        given.found.documents.append(
            DocumentSpec(**told_of, name=given.fields["file"].removesuffix(".gz"), phase=spec.phase).checked()
        )
    if source.program:
        tools = tuple(next(iter(lists.values()), {}))
        given.found.programs[given.text(source.program)] = Program(record=spec.id, tools=tools)


def read_list(given: Given, source: ListSource) -> None:
    """A record for each line that matches. Raises InvalidInput."""
    pattern = re.compile(source.line)
    for number, line in given.lines():
        told = pattern.search(line)
        if told is None:
            continue
        fields = {key: value or "" for key, value in told.groupdict().items()} | {"line": line.strip()}
        place = f"line {number}"
        try:
            spec = given.record(source.record, **fields)
            given.found.records.append((spec, place))
            for link in source.links:
                given.link(link, spec.id, place, **fields)
        except InvalidInput as error:
            given.found.fault(place, error.detail)
    if not given.found.records:
        given.found.fault("", f"no line matches {source.line}")
