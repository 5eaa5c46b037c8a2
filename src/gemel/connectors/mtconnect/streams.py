"""What an agent answers (MTConnectStreams, MTConnectError), as values; and the parts of its endless answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gemel.errors import InvalidDocument, Problem
from gemel.safe_xml import local_name, parse_xml

__all__ = ["AgentError", "Observation", "PartSplitter", "Streams", "boundary_of", "read_streams"]

_LEVELS = {"Normal", "Warning", "Fault", "Unavailable"}


class AgentError(Exception):
    """The agent answered with an error; `code` is the standard's: OUT_OF_RANGE, NO_DEVICE …"""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"the agent says {code}: {text}")
        self.code = code


@dataclass(slots=True)
class Observation:
    """One observation; `fields` are what an adapter's line would say after the item's name."""

    id: str
    name: str
    sequence: int
    time: str
    fields: list[str]
    entries: dict[str, str] | None = None
    """Of a data set: key → value."""


@dataclass(slots=True)
class Streams:
    """One document. Sequences are in [first, next)."""

    instance: str
    first: int
    next: int
    observations: list[Observation] = field(default_factory=list)
    """By sequence."""


def read_streams(data: bytes, *, device: str = "", limit: int) -> Streams:
    """The document's content; of one device, if it is named (or its uuid). Raises AgentError, InvalidDocument."""
    root = parse_xml(data, "the agent's answer", limit=limit)
    kind = local_name(root)
    if kind == "MTConnectError":
        errors = [e for e in root.iter() if local_name(e) == "Error"]
        code = errors[0].get("errorCode", "") if errors else ""
        raise AgentError(code or "an error", (errors[0].text or "").strip() if errors else "")
    if kind != "MTConnectStreams":
        raise InvalidDocument("the agent's answer", [Problem(f"it is {kind or 'nothing'}, not MTConnectStreams")])
    header = next((e for e in root if local_name(e) == "Header"), None)
    if header is None:
        raise InvalidDocument("the agent's answer", [Problem("it has no Header")])
    try:
        streams = Streams(
            header.get("instanceId", ""), int(header.get("firstSequence", "0")), int(header.get("nextSequence", "0"))
        )
    except ValueError as error:
        raise InvalidDocument("the agent's answer", [Problem(f"its Header: {error}")]) from None
    for stream in root.iter("{*}DeviceStream"):
        if device and device not in (stream.get("name"), stream.get("uuid")):
            continue
        for group in stream.iter("{*}Samples", "{*}Events", "{*}Condition"):
            streams.observations += [o for e in group if (o := _observation(e)) is not None]
    streams.observations.sort(key=lambda o: o.sequence)
    return streams


def _observation(element: Any) -> Observation | None:
    get = element.get
    sequence = get("sequence", "")
    if not sequence.isdecimal() or not get("dataItemId"):
        return None
    text = element.text or ""
    tag = local_name(element)
    entries = None
    if local_name(element.getparent()) == "Condition" and tag in _LEVELS:
        fields = [tag, get("nativeCode", ""), get("nativeSeverity", ""), get("qualifier", ""), text]
    elif get("sampleCount") is not None:
        fields = [get("sampleCount"), get("sampleRate", ""), text]
    elif tag == "Message":
        fields = [get("nativeCode", ""), text]
    else:
        fields = [text]
        if len(element):
            entries = {e.get("key", ""): e.text or "" for e in element if local_name(e) == "Entry"}
    return Observation(get("dataItemId"), get("name", ""), int(sequence), get("timestamp", ""), fields, entries)


def boundary_of(content_type: str) -> bytes | None:
    """The boundary of multipart/x-mixed-replace; None for another type."""
    if not content_type.lower().startswith("multipart/"):
        return None
    for option in content_type.split(";")[1:]:
        key, _, value = option.strip().partition("=")
        if key.lower() == "boundary":
            return b"--" + value.strip('"').encode()
    return None


class PartSplitter:
    """Cuts an endless multipart answer into its documents."""

    def __init__(self, boundary: bytes, limit: int) -> None:
        self._boundary = boundary
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The documents that `data` completes. Raises InvalidDocument for a part that is too long."""
        self._buffer += data
        parts: list[bytes] = []
        while (part := self._next()) is not None:
            parts.append(part)
        if len(self._buffer) > self._limit:
            raise InvalidDocument("the agent's answer", [Problem(f"a part is longer than {self._limit} bytes")])
        return parts

    def _next(self) -> bytes | None:
        start = self._buffer.find(self._boundary)
        end = self._buffer.find(b"\r\n\r\n", start)
        if start < 0 or end < 0:
            return None
        headers = bytes(self._buffer[start:end]).lower().split(b"\r\n")
        told = [h.partition(b":")[2].strip() for h in headers if h.startswith(b"content-length:")]
        begin = end + 4
        if told and told[0].isdigit():
            stop = begin + int(told[0])
            if stop - begin > self._limit:
                raise InvalidDocument("the agent's answer", [Problem(f"a part is longer than {self._limit} bytes")])
            if len(self._buffer) < stop:
                return None
        else:
            stop = self._buffer.find(self._boundary, begin)
            if stop < 0:
                return None
        part = bytes(self._buffer[begin:stop])
        del self._buffer[:stop]
        return part
