"""Names of a package that are imported when they are first asked for (PEP 562): what is heavy costs whom it serves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

__all__ = ["later"]


def later(package: str, modules: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """A package's `__getattr__`: module below it → the names that are taken from there.

    The package also imports them `if TYPE_CHECKING`, so that checkers and editors know them.
    """
    where = {name: module for module, names in modules.items() for name in names}

    def found(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{where[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return found
