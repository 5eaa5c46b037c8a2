"""One edge node as its messages tell it: born or dead, its metrics and aliases, its sequence. No I/O.

Sparkplug 3.0.0: births define metrics (6.4.20), data refer to them by alias (6.4.6), every message of a node but its
death carries a sequence of 0 to 255 (6.4.5), a death counts when its bdSeq is that of the birth (5.4).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from gemel.connectors.sparkplug.schema import Payload
from gemel.connectors.sparkplug.values import Unreadable, properties_of, quality_of, value_of
from gemel.twin import Quality

__all__ = ["EdgeNode", "Observed", "Told", "decode"]

_MILLISECOND = 1000
_CONTROL = "Node Control/"
_BDSEQ = "bdSeq"
_MOST_METRICS = 50_000
"""Of one node with its devices; a birth with more is refused."""


class Observed(NamedTuple):
    """One metric at one moment. `value` None: not known."""

    device: str
    """Empty: of the node itself."""
    name: str
    value: Any
    time: int | None
    quality: Quality


@dataclass(slots=True)
class Told:
    """What one message says."""

    observed: list[Observed] = field(default_factory=list)
    rebirth: str = ""
    """Why the node must be asked for its birth certificate; empty when not."""
    refused: list[tuple[str, str]] = field(default_factory=list)
    """(reason, metric) of what could not be taken."""
    note: str = ""


def decode(raw: bytes) -> Any:
    """The payload of a message. Raises Unreadable."""
    try:
        return Payload.FromString(raw)
    except (DecodeError, ValueError, RecursionError) as error:
        raise Unreadable(f"not a Sparkplug B payload: {error!s:.100}") from None


class EdgeNode:
    """Follows one node and its devices. Messages are given in the order in which they came."""

    def __init__(self, name: str) -> None:
        self.name = name
        """group/node."""
        self.online = False
        self._bdseq: int | None = None
        self._sequence: int | None = None
        self._awaiting = False
        """It was asked for its birth: until that comes, gaps are no news."""
        self._metrics: dict[tuple[str, str], int] = {}
        """(device, name) → data type, of all that was born."""
        self._aliases: dict[int, tuple[str, str]] = {}
        self._unborn: set[str] = set()
        """Devices that were there before the node was born again, and have not been born again since."""
        self._last: int | None = None
        """The newest time that the node told, by its clock."""
        self._ahead = 0
        """By how much its clock is before ours."""
        self._raw = b""

    def take(self, kind: str, device: str, raw: bytes, arrived: int) -> Told:
        """What a message of type NBIRTH, DBIRTH, NDATA, DDATA, NDEATH or DDEATH says. Raises Unreadable."""
        payload = decode(raw)
        if kind == "NDEATH":
            return self._died(payload, arrived)
        if raw == self._raw:
            return Told(note="a message came twice")  # delivered again by the broker: QoS 1, or two subscriptions
        told = Told()
        if kind == "NBIRTH":
            self._born(payload, arrived, told)
        elif not self.online:
            told.rebirth = f"{kind} without a birth certificate"
            return told
        else:
            self._count(payload, told)
            self._heard(payload, arrived)
            if kind == "DBIRTH":
                self._device_born(device, payload, told)
            elif kind == "DDEATH":
                told.observed += self._unknown(self._now(arrived), device)
                self._forget(device)
            else:
                self._data(device if kind == "DDATA" else "", payload, arrived, told)
        self._raw = raw
        return told

    def lost(self, arrived: int) -> list[Observed]:
        """Nothing is known of it any more: it died, or we did not listen."""
        observed = self._unknown(self._now(arrived)) if self.online else []
        self.online = self._awaiting = False
        self._metrics.clear()
        self._aliases.clear()
        self._unborn.clear()
        self._sequence, self._raw = None, b""
        return observed

    def asked(self) -> None:
        """It was asked for its birth."""
        self._awaiting = True

    # -- births and deaths -------------------------------------------------------------------------------------------

    def _born(self, payload: Any, arrived: int, told: Told) -> None:
        before = dict(self._metrics)
        bdseq = next((m.long_value or m.int_value for m in payload.metrics if m.name == _BDSEQ), None)
        again = self.online and bdseq == self._bdseq
        self._heard(payload, arrived)
        self._metrics, self._aliases = {}, {}
        self._enter("", payload, told)
        self.online, self._awaiting = True, False
        self._bdseq = bdseq
        self._sequence = payload.seq % 256 if payload.HasField("seq") else None
        gone = {device for device, _ in before if device}
        if again:  # its devices follow; those that do not are gone
            self._metrics |= {key: kind for key, kind in before.items() if key[0]}
            missing = [key for key in before if not key[0] and key not in self._metrics]
        else:
            missing = [key for key in before if key not in self._metrics]
        told.observed += [Observed(*key, None, self._now(arrived), Quality.UNAVAILABLE) for key in missing]
        self._unborn = gone if again else set()
        self._take_all("", payload, told)

    def _device_born(self, device: str, payload: Any, told: Told) -> None:
        self._unborn.discard(device)
        before = [key for key in self._metrics if key[0] == device]
        self._forget(device)
        self._enter(device, payload, told)
        told.observed += [
            Observed(*key, None, self._last, Quality.UNAVAILABLE) for key in before if key not in self._metrics
        ]
        self._take_all(device, payload, told)

    def _died(self, payload: Any, arrived: int) -> Told:
        bdseq = next((m.long_value or m.int_value for m in payload.metrics if m.name == _BDSEQ), None)
        if not self.online:
            return Told(note=f"{self.name} died before it was born")
        if bdseq != self._bdseq:
            return Told(note=f"{self.name}: the death of an earlier connection (bdSeq {bdseq}, now {self._bdseq})")
        return Told(self.lost(arrived), note=f"{self.name} died")

    def _enter(self, device: str, payload: Any, told: Told) -> None:
        if len(self._metrics) + len(payload.metrics) > _MOST_METRICS:
            raise Unreadable(f"{len(payload.metrics)} metrics are too many; a node may have {_MOST_METRICS}")
        for metric in payload.metrics:
            if not metric.name:
                told.refused.append(("a birth certificate names every metric; this one has no name", ""))
                continue
            self._metrics[device, metric.name] = metric.datatype
            if metric.HasField("alias"):
                self._aliases[metric.alias] = device, metric.name

    def _forget(self, device: str) -> None:
        self._metrics = {key: kind for key, kind in self._metrics.items() if key[0] != device}
        self._aliases = {alias: key for alias, key in self._aliases.items() if key[0] != device}

    def _unknown(self, time: int | None, device: str | None = None) -> list[Observed]:
        return [
            Observed(*key, None, time, Quality.UNAVAILABLE)
            for key in self._metrics
            if device is None or key[0] == device
        ]

    # -- data --------------------------------------------------------------------------------------------------------

    def _count(self, payload: Any, told: Told) -> None:
        """Hold the sequence against the last one; after a gap nothing that was held is known to be so."""
        if not payload.HasField("seq"):
            return
        expected = None if self._sequence is None else (self._sequence + 1) % 256
        self._sequence = payload.seq % 256
        if expected is not None and self._sequence != expected and not self._awaiting:
            told.rebirth = "a message was lost (its sequence is missing)"
            told.observed += self._unknown(None if self._last is None else self._last + 1)

    def _data(self, device: str, payload: Any, arrived: int, told: Told) -> None:
        if self._unborn:
            for gone in sorted(self._unborn):
                told.observed += self._unknown(self._now(arrived), gone)
                self._forget(gone)
            self._unborn.clear()
        if device and not any(key[0] == device for key in self._metrics):
            told.rebirth = told.rebirth or "data of a device without a birth certificate"
            return
        self._take_all(device, payload, told)

    def _take_all(self, device: str, payload: Any, told: Told) -> None:
        otherwise = payload.timestamp * _MILLISECOND if payload.HasField("timestamp") else None
        for metric in payload.metrics:
            key = device, metric.name
            if not metric.name:
                found = self._aliases.get(metric.alias) if metric.HasField("alias") else None
                if found is None:
                    told.rebirth = told.rebirth or "an alias that is in no birth certificate"
                    continue
                key = found
            elif key not in self._metrics:
                told.rebirth = told.rebirth or "a metric that is in no birth certificate"
                continue
            if key[1] == _BDSEQ or key[1].startswith(_CONTROL):
                continue
            self._observe(key, metric, otherwise, told)

    def _observe(self, key: tuple[str, str], metric: Any, otherwise: int | None, told: Told) -> None:
        time = metric.timestamp * _MILLISECOND if metric.HasField("timestamp") else otherwise
        if metric.is_null:
            told.observed.append(Observed(*key, None, time, Quality.UNAVAILABLE))
            return
        try:
            value = value_of(metric, metric.datatype or self._metrics[key])
        except Unreadable as error:
            told.refused.append((str(error), key[1]))
            return
        told.observed.append(Observed(*key, value, time, quality_of(properties_of(metric))))
        if time is not None and not metric.is_historical:
            self._last = max(self._last or 0, time)

    # -- time --------------------------------------------------------------------------------------------------------

    def _heard(self, payload: Any, arrived: int) -> None:
        if payload.HasField("timestamp"):
            self._ahead = payload.timestamp * _MILLISECOND - arrived
            self._last = max(self._last or 0, payload.timestamp * _MILLISECOND)

    def _now(self, arrived: int) -> int:
        """This moment by the node's clock, after everything that it told: its next values must not look older."""
        return max(arrived + self._ahead, (self._last or 0) + 1)
