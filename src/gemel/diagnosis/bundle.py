"""A ZIP for who helps: versions, settings, health, sizes, problems, logs, types. Secrets are not in it."""

from __future__ import annotations

import importlib.metadata
import platform as machine
import sys
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

import gemel
from gemel.diagnosis.scrub import scrubbed, scrubbed_text

__all__ = ["bundle"]

README = """What a helper needs to see how this Gemel fares. Made by `gemel support-bundle`.

Secrets are not in it: settings hold references to them, and everything else went through a filter for passwords in
addresses, tokens, keys and claim codes. Look through it all the same before you send it: names of machines, twins and
connectors are in it, readings are not.
"""


def bundle(target: Path | BinaryIO, parts: Mapping[str, Any], *, logs: Iterable[str] = ()) -> list[str]:
    """Write the ZIP; `parts`: name → plain data, each a file of JSON. Returns the names of what is in it."""
    written = []
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(name: str, text: str) -> None:
            archive.writestr(name, text)
            written.append(name)

        add("README.txt", README)
        for name, value in {"versions": _versions(), **parts}.items():
            plain = msgspec.to_builtins(value, str_keys=True, enc_hook=str)
            add(f"{name}.json", msgspec.json.format(msgspec.json.encode(scrubbed(plain)), indent=2).decode())
        add("log.txt", scrubbed_text("\n".join(logs)) + "\n")
    return written


def _versions() -> dict[str, Any]:
    wanted = {requirement.split("=")[0].split(">")[0].split("[")[0] for requirement in _required()}
    return {
        "gemel": gemel.__version__,
        "python": sys.version,
        "machine": machine.platform(),
        "packages": {
            found.metadata["Name"]: found.version
            for found in importlib.metadata.distributions()
            if found.metadata["Name"] in wanted
        },
    }


def _required() -> list[str]:
    try:
        return importlib.metadata.requires("gemel") or []
    except importlib.metadata.PackageNotFoundError:
        return []
