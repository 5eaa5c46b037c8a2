"""Software as configuration: what it is, in which versions, what it needs, where it is required, how it gets there.

A document of values; what is installed is never in it, that is what machines report.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import msgspec

from gemel.configuration.parts.values import Effectivity
from gemel.configuration.software.versions import Range, Scheme
from gemel.errors import GemelError, InvalidDocument, InvalidInput, Problem
from gemel.twin import check_id, check_name
from gemel.twin.structure import build
from gemel.twin.yaml import parse_yaml, places

__all__ = [
    "Need",
    "Software",
    "SoftwareDocument",
    "SoftwareRequirement",
    "SoftwareVersion",
    "SoftwareWay",
    "key_bytes",
    "parse_software",
]

_LONGEST_TEXT = 2000


class Need(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that is, or must not be, in the same machine: another piece of software, or hardware."""

    part: str
    """Part number."""
    versions: str = ""
    """`>=2.1, <3`; of hardware its revisions, in the order that its part type declares. Empty: any."""
    slot: str = ""
    """Only in a slot of this name; empty: anywhere in the machine."""

    def told(self) -> str:
        return f"{self.part}{f' {self.versions}' if self.versions else ''}{f' in {self.slot}' if self.slot else ''}"


class SoftwareVersion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One version of a piece of software."""

    version: str
    variant: str = ""
    """For which build of the hardware, where the version alone does not say it."""
    parameters: str = ""
    """The parameter set that belongs to it."""
    licence: str = ""
    notes: str = ""
    requires: tuple[Need, ...] = ()
    """All of these must be in the machine."""
    excludes: tuple[Need, ...] = ()
    """None of these may be."""
    artifact: str = ""
    """SHA-256 of its file, hexadecimal; see artifacts."""
    url: str = ""
    """Where devices fetch it, if not from here."""
    withdrawn: str = ""
    """Why it is not to be installed any more."""


class SoftwareRequirement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That machines of some configuration have to run some versions."""

    versions: str
    """`>=2.1`."""
    machines: tuple[Need, ...] = ()
    """Only machines that have all of these; empty: all that have a place for this software."""
    effectivity: Effectivity = Effectivity()
    """For which machines, by serial number or lot, and from when to when."""
    why: str = ""
    """The bulletin, the contract, the law."""


class SoftwareWay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a kind of machine tells which version it runs, and takes another one."""

    type: str
    """Id of a twin type."""
    slot: str
    """The slot of that twin's item that the software is in."""
    reports: str
    """The property that tells the version; what it says is what is installed."""
    command: str = ""
    """The command that has a version installed; empty: people do it."""
    inputs: dict[str, str] = {}
    """What the command is given: texts with {version}, {part}, {url}, {sha256}, {size}, {signature}; none:
    {version: "{version}"}."""
    check: str = ""
    """An expression over the twin that is true while the software works: the function check."""
    keeps_previous: bool = True
    """Whether the device can go back to the version before."""


class Software(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One piece of software (a module), under its part number."""

    part: str
    title: str = ""
    maker: str = ""
    scheme: Scheme = Scheme.DECLARED
    versions: tuple[SoftwareVersion, ...] = ()
    """The oldest first."""
    required: tuple[SoftwareRequirement, ...] = ()
    ways: tuple[SoftwareWay, ...] = ()
    keys: tuple[str, ...] = ()
    """Public keys (Ed25519, 32 bytes in base64); with any, only files that one of them signed are handed out."""

    @property
    def order(self) -> tuple[str, ...]:
        return tuple(one.version for one in self.versions)

    def version(self, version: str) -> SoftwareVersion | None:
        return next((one for one in self.versions if one.version == version), None)

    def holds(self, versions: str, version: str) -> bool | None:
        """Whether a version lies in a range; None: not known."""
        return Range.parse(versions).holds(version, self.scheme, self.order)


class SoftwareDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of software."""

    gemel: int = 1
    software: tuple[Software, ...] = ()


def parse_software(text: str, name: str = "software") -> tuple[Software, ...]:
    """From YAML or JSON. Raises InvalidDocument with every fault, its line and its field."""
    document, faults = build(parse_yaml(text, name), SoftwareDocument)
    if document is not None:
        faults = [(problem, False) for problem in problems(document.software)]
    if document is None or faults:
        where = places(text, name)
        raise InvalidDocument(
            name, [Problem(one.message, one.field, *where.locate(one.field, key=key)) for one, key in faults]
        )
    return document.software


def problems(software: Sequence[Software]) -> list[Problem]:
    """What is wrong with each, and where."""
    found: list[Problem] = []
    seen: set[str] = set()
    for i, one in enumerate(software):
        at = f"software[{i}]"
        if one.part in seen:
            found.append(Problem(f"{one.part} is there twice", f"{at}.part"))
        seen.add(one.part)
        found += [Problem(message, f"{at}.{field}") for field, message in _problems(one)]
    return found


def _problems(one: Software) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []

    def hold(field: str, check: object, *given: object) -> None:
        try:
            check(*given)  # type: ignore[operator]
        except GemelError as error:
            found.append((field, error.detail))

    hold("part", check_id, one.part, "part number")
    for text, field in ((one.title, "title"), (one.maker, "maker")):
        if len(text) > 200:
            found.append((field, "it has at most 200 characters"))
    known: set[str] = set()
    for i, version in enumerate(one.versions):
        at = f"versions[{i}]"
        if not version.version or len(version.version) > 128 or set(version.version) & set(" ,|<>=\t\n"):
            found.append((f"{at}.version", "a version has 1 to 128 characters, none of them a space , | < > ="))
        if version.version in known:
            found.append((f"{at}.version", f"{version.version} is there twice"))
        known.add(version.version)
        if max(len(version.notes), len(version.withdrawn), len(version.url)) > _LONGEST_TEXT:
            found.append((at, f"texts have at most {_LONGEST_TEXT} characters"))
        if version.artifact and (len(version.artifact) != 64 or set(version.artifact) - set("0123456789abcdef")):
            found.append((f"{at}.artifact", "it is the SHA-256 of a file: 64 characters of 0-9 a-f"))
        for name, needs in (("requires", version.requires), ("excludes", version.excludes)):
            for k, need in enumerate(needs):
                hold(f"{at}.{name}[{k}].versions", Range.parse, need.versions)
    for i, required in enumerate(one.required):
        at = f"required[{i}]"
        hold(f"{at}.versions", Range.parse, required.versions)
        for k, need in enumerate(required.machines):
            hold(f"{at}.machines[{k}].versions", Range.parse, need.versions)
    ways: set[tuple[str, str]] = set()
    for i, way in enumerate(one.ways):
        at = f"ways[{i}]"
        hold(f"{at}.type", check_id, way.type, "type")
        hold(f"{at}.slot", check_name, way.slot, "slot")
        hold(f"{at}.reports", check_name, way.reports, "property")
        if (way.type, way.slot) in ways:
            found.append((at, f"{way.type} has a way for {way.slot} already"))
        ways.add((way.type, way.slot))
        if way.command:
            hold(f"{at}.command", check_name, way.command, "command")
    for i, key in enumerate(one.keys):
        hold(f"keys[{i}]", key_bytes, key)
    return found


def key_bytes(key: str) -> bytes:
    """The 32 bytes of a public key. Raises InvalidInput."""
    try:
        told = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        told = b""
    if len(told) != 32:
        raise InvalidInput("a public key is 32 bytes of Ed25519 in base64")
    return told
