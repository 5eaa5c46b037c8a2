"""The plant of these tests, what is in its rooms, and how it is asked over HTTP."""

from __future__ import annotations

import http.client
import io
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
import numpy as np
import pyarrow as pa

from gemel.history.reader import Wanted
from gemel.platform import Platform
from gemel.twin import Form, split_series

PLANT = """
gemel: 1
types:
  - id: press
    properties:
      - {name: count, kind: integer}
      - {name: force, kind: number}
      - {name: program, kind: text}
      - {name: recipe, kind: object}
      - {name: wave, kind: array}
      - {name: mode, kind: enumeration, values: [AUTOMATIC, MANUAL]}
      - {name: health, kind: condition}
    events: [{name: overheated, severity: warning}]
twins:
  - {id: press-a, types: [press]}
  - {id: press-b, types: [press]}
  - {id: press-plc, types: [press]}
  - {id: press-frames, types: [press]}
"""
API = "/api/v1"
ARROW = "application/vnd.apache.arrow.stream"
Reading = tuple[str, str, int, Any, int]
"""twin, property, time, value, position"""


class Caller:
    """Asks a served platform. Every verb raises OSError or HTTPException when the server is gone."""

    def __init__(self, url: str, *, timeout_s: float = 60.0) -> None:
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=timeout_s)

    def ask(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> tuple[int, bytes]:
        """Status and body of the answer."""
        headers = {"Content-Type": kind} if body is not None else {}
        self._connection.close()  # the server ends what was quiet for seconds; it is opened anew
        self._connection.request(method, API + path, body, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def get(self, path: str, **query: object) -> Any:
        """The JSON of an answer that must be one."""
        asked = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
        status, body = self.ask("GET", f"{path}?{asked}" if asked else path)
        assert status == 200, body[:500]
        return msgspec.json.decode(body)

    def post(self, path: str, document: object) -> Any:
        status, body = self.ask("POST", path, msgspec.json.encode(document))
        assert status == 200, body[:500]
        return msgspec.json.decode(body)

    def put(self, path: str, document: object) -> Any:
        status, body = self.ask("PUT", path, msgspec.json.encode(document))
        assert status == 200, body[:500]
        return msgspec.json.decode(body)

    def history(self, twin: str, name: str) -> list[tuple[int, Any]]:
        """(time, value) of every reading of a property, in order of time."""
        found = self.get(
            f"/twins/{twin}/history/{name}", method="raw", start="1970-01-02T00:00:00Z", end="2100-01-01T00:00:00Z"
        )
        return list(zip(found["columns"]["time"], found["columns"]["value"], strict=True))

    def events(self, twin: str) -> Iterator[dict[str, Any]]:
        """Every event of a twin."""
        cursor = ""
        while True:
            page = self.get(f"/twins/{twin}/events", kind="event.happened", limit=1000, cursor=cursor)
            yield from page["items"]
            if not (cursor := page.get("next") or ""):
                return

    def close(self) -> None:
        self._connection.close()


def frame_of(twins: Sequence[str], names: Sequence[str], times: Sequence[int], values: Sequence[Any]) -> bytes:
    """An Arrow stream of one batch, as a body for /ingest."""
    batch = pa.record_batch(
        {
            "twin": pa.array(twins).dictionary_encode(),
            "property": pa.array(names).dictionary_encode(),
            "time": pa.array(times, pa.int64()),
            "value": pa.array(values),
        }
    )
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def journaled(platform: Platform) -> list[Reading]:
    """Every reading of the journal, in order of position; values as plain data."""
    found: list[Reading] = []
    directory = platform.registry.directory
    for block in platform.journal.blocks():
        for frame in block.frames.values():
            columns = (frame.series.tolist(), frame.time.tolist(), frame.value.to_pylist(), frame.ordinal.tolist())
            for series, time, value, ordinal in zip(*columns, strict=True):
                number, property_number = split_series(series)
                entry, ref = directory.entry(number), directory.property(property_number)
                assert entry is not None
                assert ref is not None
                found.append((entry.id, ref.property.name, time, value, block.first + ordinal))
    return sorted(found, key=lambda reading: reading[4])


def stored(platform: Platform, twin: str = "") -> list[Reading]:
    """Every reading of the history (of one twin), files and tail, in order of position."""
    directory, found = platform.registry.directory, []
    one = directory.twin(twin)
    numbers = [one.number] if one is not None else [int(number) for number in directory.numbers()]
    series = sorted(
        (number << 20) | ref.number
        for number in numbers
        if (entry := directory.entry(number)) is not None
        for ref in {ref.number: ref for ref in entry.properties.values()}.values()
    )
    with platform.past().view() as view:
        for form in Form:
            rows = platform.history._reader.rows(view, form, Wanted(np.array(series, np.int64)))
            columns = (rows.series.tolist(), rows.time.tolist(), rows.value.to_pylist(), rows.position.tolist())
            for one, time, value, position in zip(*columns, strict=True):
                number, property_number = split_series(one)
                entry, ref = directory.entry(number), directory.property(property_number)
                assert entry is not None
                assert ref is not None
                found.append((entry.id, ref.property.name, time, value, position))
    return sorted(found, key=lambda reading: reading[4])
