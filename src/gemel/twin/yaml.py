"""YAML to plain values, safely and with the place of each: no tags, no bombs, no surprises of YAML 1.1.

A plain scalar is null, true, false, a number, or else text: `on`, `no`, `2017-03-20` and `1_000` are text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from gemel.errors import InvalidDocument, Problem

__all__ = ["MAX_DEPTH", "MAX_NODES", "MAX_TEXT", "Places", "parse_yaml", "places"]

MAX_TEXT = 64 << 20
"""Characters of one document."""
MAX_DEPTH = 50
MAX_NODES = 20_000_000
"""Values of one document, those that aliases stand for counted each time."""
MAX_ALIASED = 1_000_000
"""Values that aliases stand for, counted each time."""

_NUMBER = re.compile(
    r"[-+]?(?:0x[0-9a-fA-F]+|0o[0-7]+|\d+|(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)", re.ASCII
)
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "true": True, "false": False}
_WORDS |= {word.capitalize(): value for word, value in _WORDS.items()} | {"NULL": None, "TRUE": True, "FALSE": False}
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_STR = "tag:yaml.org,2002:str"
_Place = tuple[int, int]


@dataclass(slots=True)
class Places:
    """Line and column (from 1) of keys and values, by field: `types[0].properties[2].unit`."""

    keys: dict[str, _Place] = field(default_factory=dict)
    values: dict[str, _Place] = field(default_factory=dict)

    def locate(self, field: str, *, key: bool = False) -> _Place:
        """Of the field, or of what it would be in; (0, 0) if nothing of it is there."""
        if key and field in self.keys:
            return self.keys[field]
        while field:
            found = self.values.get(field)
            if found:
                return found
            field = field[: max(field.rfind("."), field.rfind("["), 0)]
        return self.values.get("", (0, 0))


class _Fault(Exception):
    def __init__(self, message: str, mark: Any) -> None:
        super().__init__(message)
        self.message = message
        self.line: int = mark.line + 1
        self.column: int = mark.column + 1


@dataclass(slots=True)
class _Open:
    """A mapping or sequence that is being read."""

    value: dict[str, Any] | list[Any]
    path: str
    anchor: str | None
    nodes: int
    key: str | None = None
    merges: list[Any] = field(default_factory=list)


def parse_yaml(text: str, name: str = "the document") -> Any:
    """The one value of a document. Raises InvalidDocument, with line and column."""
    return _parse(text, name, None)


def places(text: str, name: str = "the document") -> Places:
    """Where everything of a document is. Raises InvalidDocument as `parse_yaml` does."""
    found = Places()
    _parse(text, name, found)
    return found


def _parse(text: str, name: str, found: Places | None) -> Any:
    if len(text) > MAX_TEXT:
        problem = Problem(f"{len(text)} characters are too many, at most {MAX_TEXT}; split it into several files")
        raise InvalidDocument(name, [problem])
    try:
        return _Reader(text, found).read()
    except _Fault as fault:
        raise InvalidDocument(name, [Problem(fault.message, "", fault.line, fault.column)]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = " ".join(filter(None, (error.context, error.problem)))
        where = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise InvalidDocument(name, [Problem(message, "", *where)]) from None
    except yaml.YAMLError as error:
        raise InvalidDocument(name, [Problem(str(error)[:200])]) from None


class _Reader:
    def __init__(self, text: str, found: Places | None) -> None:
        self.text = text
        self.found = found
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.nodes = self.aliased = 0
        self.root: Any = None
        self.documents = 0

    def read(self) -> Any:
        loader = _LOADER(self.text)
        try:
            while loader.check_event():
                self._take(loader.get_event())
        finally:
            loader.dispose()
        return self.root

    def _take(self, event: Any) -> None:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._scalar(event)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            self._open(event, {} if kind is yaml.MappingStartEvent else [])
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._close(event)
        elif kind is yaml.AliasEvent:
            self._alias(event)
        elif kind is yaml.DocumentStartEvent:
            self.documents += 1
            if self.documents > 1:
                raise _Fault("one document a file; put the next one into a file of its own", event.start_mark)

    def _count(self, nodes: int, mark: Any) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise _Fault(f"more than {MAX_NODES} values; split it into several files", mark)

    def _place(self, mark: Any) -> str:
        """The path of the value that begins here, noted; "" when nobody wants to know."""
        if self.found is None:
            return ""
        path = ""
        if self.stack:
            top = self.stack[-1]
            if isinstance(top.value, list):
                path = f"{top.path}[{len(top.value)}]"
            else:
                path = f"{top.path}.{top.key}" if top.path else str(top.key)
        self.found.values[path] = (mark.line + 1, mark.column + 1)
        return path

    def _scalar(self, event: Any) -> None:
        text = event.value
        plain = event.style is None or event.style == ""
        if event.tag not in (None, "!", _STR):
            raise _Fault(f"the tag {event.tag!r:.60} is not allowed; write a plain value", event.start_mark)
        value = self._plain(text, event) if plain and event.tag is None else text
        self._count(1, event.start_mark)
        top = self.stack[-1] if self.stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self._key(top, text, event.start_mark)
            return
        self._place(event.start_mark)
        self._put(value, 1, event.anchor, event.start_mark)

    def _key(self, top: _Open, text: str, mark: Any) -> None:
        if text in top.value and text != "<<":
            raise _Fault(f"{text!r:.80} is here twice", mark)
        top.key = text
        if self.found is not None:
            self.found.keys[f"{top.path}.{text}" if top.path else text] = (mark.line + 1, mark.column + 1)

    @staticmethod
    def _plain(text: str, event: Any) -> Any:
        if text in _WORDS:
            return _WORDS[text]
        if not _NUMBER.fullmatch(text):
            return text
        if len(text) > 400:
            raise _Fault(f"a number of {len(text)} digits is not one that a twin can hold", event.start_mark)
        if text.lstrip("+-").isdigit():
            return int(text)
        if "x" in text or "o" in text:
            return int(text, 0)
        return float(text)

    def _open(self, event: Any, value: dict[str, Any] | list[Any]) -> None:
        if event.tag not in (None, "!") and not str(event.tag).endswith((":map", ":seq")):
            raise _Fault(f"the tag {event.tag!r:.60} is not allowed; write a plain value", event.start_mark)
        if len(self.stack) >= MAX_DEPTH:
            raise _Fault(f"nested deeper than {MAX_DEPTH}", event.start_mark)
        top = self.stack[-1] if self.stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            raise _Fault("a key is text, not a list or a mapping", event.start_mark)
        self._count(1, event.start_mark)
        if event.anchor is not None:
            self.anchors.pop(event.anchor, None)  # it cannot be used within itself
        self.stack.append(_Open(value, self._place(event.start_mark), event.anchor, self.nodes - 1))

    def _close(self, event: Any) -> None:
        done = self.stack.pop()
        if isinstance(done.value, dict):
            for merged in done.merges:
                for key, value in merged.items():
                    done.value.setdefault(key, value)
        self._put(done.value, self.nodes - done.nodes, done.anchor, event.start_mark)

    def _alias(self, event: Any) -> None:
        known = self.anchors.get(event.anchor)
        if known is None:
            raise _Fault(f"*{event.anchor:.60} stands for nothing that was written before it", event.start_mark)
        value, nodes = known
        self.aliased += nodes
        if self.aliased > MAX_ALIASED:
            raise _Fault(f"aliases stand for more than {MAX_ALIASED} values", event.start_mark)
        self._count(nodes, event.start_mark)
        self._place(event.start_mark)
        self._put(value, nodes, None, event.start_mark)

    def _put(self, value: Any, nodes: int, anchor: str | None, mark: Any) -> None:
        if anchor is not None:
            self.anchors[anchor] = (value, nodes)
        if not self.stack:
            self.root = value
            return
        top = self.stack[-1]
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.key == "<<":
            merged = value if isinstance(value, list) else [value]
            if not all(isinstance(m, dict) for m in merged):
                raise _Fault("<<: takes a mapping or a list of mappings", mark)
            top.merges += merged
            top.key = None
        elif top.key is None:
            raise _Fault("a key is plain text", mark)
        else:
            top.value[top.key] = value
            top.key = None
