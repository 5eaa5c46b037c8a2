"""`parts.yaml` written: parts as a document that reads back as the same, one slot, rule or revision a line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec
import yaml

from gemel.configuration.parts.values import PartType

__all__ = ["parts_yaml"]

_MOST_WIDE = 160
_LIKE_A_NUMBER = re.compile(r"[-+.]*[0-9][0-9a-fA-FxoE.+_-]*", re.ASCII)
"""All that `parse_yaml` takes for a number, and some more: YAML 1.1, by which it is written, has others (08, 1e5)."""


class _Row(dict[str, Any]):
    """A mapping that is written in one line."""


class _Writer(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _text(writer: Any, text: str) -> Any:
    style = "'" if _LIKE_A_NUMBER.fullmatch(text) else None
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Writer.add_representer(str, _text)
_Writer.add_representer(_Row, lambda writer, row: writer.represent_mapping("tag:yaml.org,2002:map", row, True))


def parts_yaml(parts: Iterable[PartType]) -> str:
    """The document that declares these parts, in this order, for `parse_parts`; what is as by default is left out."""
    told = [{member: _rows(value) for member, value in msgspec.to_builtins(part).items()} for part in parts]
    document = {"gemel": 1, "parts": told}
    text: str = yaml.dump(
        document, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=_MOST_WIDE, default_flow_style=False
    )
    return text


def _rows(value: Any) -> Any:
    """What is written in one line: a row of a list, and what is within it."""
    if isinstance(value, list | tuple):
        return [_inline(one) for one in value]
    return value


def _inline(value: Any) -> Any:
    if isinstance(value, dict):
        return _Row({name: _inline(one) for name, one in value.items()})
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    return [_inline(one) for one in value] if isinstance(value, list | tuple) else value
