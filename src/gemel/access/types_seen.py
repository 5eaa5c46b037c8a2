"""A twin type as somebody sees it who does not see everything: without what names or reads what is hidden."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from gemel.expression import Expression
from gemel.twin import Computed, PropertyGroup, PropertyType, TwinType

__all__ = ["cut_type"]


def cut_type(type: TwinType, groups: Collection[str]) -> TwinType:
    """With the properties of these groups. That one is computed is told; how, only if all that it reads is seen.

    Rules for orders, what commands bring about, and from what key figures are told, read what they like: they are told
    only to who sees every group.
    """
    seen = tuple(one for one in type.properties if one.shared_as in groups)
    if len(groups) == len(PropertyGroup):
        return msgspec.structs.replace(type, properties=seen)
    names = {name for one in seen for name in (one.name, *one.aliases)}
    return msgspec.structs.replace(
        type,
        properties=tuple(_cut(one, names) for one in seen),
        commands=tuple(msgspec.structs.replace(one, effect={}) for one in type.commands),
        control=None,
        effectiveness=None,
    )


def _cut(property: PropertyType, names: Collection[str]) -> PropertyType:
    how = property.computed
    if how is None:
        return property
    read = [Expression.parse(text) for text in ([how.expression] if how.expression else how.inputs)]
    paths = [named.path for one in read for named in one.inputs]
    own = all(len(path) == 1 and path[0] in names for path in paths) and not any(one.members for one in read)
    return property if own else msgspec.structs.replace(property, computed=Computed())
