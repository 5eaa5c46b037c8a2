"""What proposals of plants share: names made of what devices say, and the plant as a plain document."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from gemel.twin import Plant

__all__ = ["document_of", "free_of", "name_of", "plant_yaml", "slug_of"]

_MOST_NAME = 64


def document_of(plant: Plant) -> dict[str, Any]:
    """A plant as plain dicts and lists, without what is as it would be anyway."""
    document: dict[str, Any] = {"gemel": plant.gemel}
    for part in ("types", "twins", "connectors"):
        document[part] = [_brief(one) for one in getattr(plant, part)]
    return document


def plant_yaml(document: Mapping[str, Any]) -> str:
    """The document as YAML: one property, twin link and binding a line."""
    yaml = YAML()
    yaml.width = 160
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    yaml.dump(_flowing(document, 0), out)
    return out.getvalue()


def slug_of(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", _spaced(text).lower()).strip("-") or "part"


def name_of(text: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "_", _spaced(text).lower()).strip("_")
    return (name if name[:1].isalpha() else f"p_{name}".rstrip("_"))[: _MOST_NAME - 4]


def _spaced(text: str) -> str:
    """OilTemperature → Oil Temperature."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", text)


def free_of(wish: str, taken: Any, mark: str = "-") -> str:
    number, found = 1, wish
    while found in taken:
        number += 1
        found = f"{wish}{mark}{number}"
    return found


def _brief(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        found = {}
        for field in msgspec.structs.fields(value):
            item = getattr(value, field.name)
            default = field.default_factory() if callable(field.default_factory) else field.default
            if field.required or item != default:
                found[field.name] = _brief(item)
        return found
    if isinstance(value, dict):
        return {key: _brief(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_brief(item) for item in value]
    return str(value) if isinstance(value, str) else value


_FLOW = {"properties", "bindings", "slots", "twins", "events"}


def _flowing(value: Any, depth: int, parent: str = "") -> Any:
    if isinstance(value, Mapping):
        found = CommentedMap({key: _flowing(item, depth + 1, key) for key, item in value.items()})
        if parent in _FLOW or depth > 3 or parent in ("part_of", "settings", "attributes"):
            found.fa.set_flow_style()
        return found
    if isinstance(value, list | tuple):
        return [_flowing(item, depth + 1, parent) for item in value]
    return value
