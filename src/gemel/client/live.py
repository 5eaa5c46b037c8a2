"""Following twins: the live socket as an iterator."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import msgspec
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from gemel.client.transport import error_of
from gemel.errors import Denied, Unreachable
from gemel.twin import Quality

__all__ = ["Delta", "Subscription", "Update"]

LARGEST_FRAME = 64 * 1024 * 1024
CLOSE_S = 2.0


class Update(msgspec.Struct, frozen=True):
    """One property of one twin became, or is, so. Times in microseconds since the epoch, UTC."""

    twin: str
    property: str
    value: Any
    time: int
    changed: int
    quality: Quality
    fresh: bool
    stale_since: int | None
    recorded: int = 0
    """When the platform was told, and the position: for copies only, else 0."""
    position: int = 0


@dataclass(frozen=True, slots=True)
class Delta:
    """What is new up to and including `position`."""

    position: int
    values: Sequence[Update] = ()
    snapshot: bool = False
    """The values are the whole selection (a large one comes in several deltas: the first is the snapshot)."""
    transitions: Sequence[tuple[str, str, bool, int | None]] = ()
    """(twin, property, fresh, stale since)."""
    events: Sequence[dict[str, Any]] = ()
    gone: Sequence[str] = ()
    """Twins that are no longer selected."""
    gap: tuple[int, int] | None = None
    """Positions in (from, to] were not delivered one by one; the history has them."""
    reset: bool = False
    """The plant was restored or imported since: forget what was read before. A snapshot follows."""
    registry_changed: bool = False
    """Types, twins or links changed since the delta before; never told before the first one."""
    mark: tuple[str, int] | None = None
    """Hash of all that is selected at `position` (empty if it was not asked for), and how many values these are."""
    more: bool = False
    """What belongs to this is still to come."""


class Subscription:
    """Iterate over its deltas; close it, or use it in a `with`. After a broken connection, subscribe with
    `after=subscription.position, epoch=subscription.epoch`."""

    def __init__(self, url: str, headers: dict[str, str], tls: ssl.SSLContext | None, wanted: dict[str, Any]) -> None:
        """Raises the platform's error when it refuses."""
        self.position: int | None = wanted.get("after")
        """Everything up to it was delivered; None before the first snapshot is whole."""
        self.epoch: str = wanted.get("epoch", "")
        """In which life of the plant `position` was seen: after a restore it means something else."""
        self.head = 0
        """What the platform has reached, as it last said by itself."""
        self._reached, self._alive = self.position or 0, self.epoch
        self._begun = self.position is not None
        """Whether anything was told that could have changed since."""
        self._keys: dict[int, tuple[str, str]] = {}
        address = f"ws{url.removeprefix('http')}/api/v1/live"
        try:
            self._socket: ClientConnection = connect(
                address,
                additional_headers=headers,
                subprotocols=[Subprotocol("gemel.v1")],
                ssl=tls,
                max_size=LARGEST_FRAME,
                compression=None,
                proxy=None,
                close_timeout=CLOSE_S,
            )
        except InvalidStatus as error:
            if error.response.status_code == Denied.status and not error.response.body:
                raise Denied("these credentials may follow no twins; ask who runs the platform for a grant") from error
            raise error_of(error.response.status_code, error.response.body or b"") from error
        except (OSError, WebSocketException) as error:
            raise Unreachable(f"{url} cannot be reached: {error}; is the server running?") from error
        self._send({"t": "sub", "s": 1, **wanted})

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._socket.send(msgspec.msgpack.encode(message))
        except ConnectionClosed as error:
            raise Unreachable("the connection has ended; subscribe again") from error

    def mark(self, *, hashed: bool = False) -> None:
        """Ask up to which position all has come: a delta with a `mark` answers, with the hash if it is wanted."""
        self._send({"t": "mark", "s": 1, "hash": hashed})

    def __iter__(self) -> Iterator[Delta]:
        while (delta := self.get()) is not None:
            yield delta

    def get(self, timeout_s: float | None = None) -> Delta | None:
        """The next delta; None when the connection has ended. Raises TimeoutError, and the platform's error."""
        while True:
            try:
                frame = self._socket.recv(timeout_s, decode=False)
            except ConnectionClosed:
                return None
            message = msgspec.msgpack.decode(frame)
            delta = self._delta(message)
            if delta is not None:
                self._reached = max(self._reached, delta.position)
                if not (message.get("more") or delta.reset or delta.registry_changed):
                    self.position, self.epoch = self._reached, self._alive
                return replace(delta, more=True) if message.get("more") else delta

    def _delta(self, message: dict[str, Any]) -> Delta | None:
        kind = message["t"]
        if kind == "error":
            body = msgspec.json.encode({"code": message["code"], "detail": message["detail"]})
            raise error_of(0, body)
        if kind in {"hello", "ping", "pong"}:
            self.head = message["position"]
        if kind == "hello":
            self._alive = message["epoch"]
        elif kind == "keys":
            self._keys.update({key: (twin, name) for key, twin, name in message["keys"]})
        elif kind in {"snap", "delta"}:
            values = [self._update(row) for row in message["values"]]
            self._begun = True
            return Delta(message["position"], values, snapshot=kind == "snap")
        elif kind == "fresh":
            items = [(*self._keys[key], fresh, since) for key, fresh, since in message["items"]]
            return Delta(self._reached, transitions=items)
        elif kind == "event":
            return Delta(max(event["position"] for event in message["events"]), events=message["events"])
        elif kind == "gone":
            return Delta(self._reached, gone=message["twins"])
        elif kind == "mark":
            return Delta(message["position"], mark=(message["hash"], message["count"]))
        elif kind == "gap":
            return Delta(self._reached, gap=(message["from"], message["to"]))
        elif kind == "reset":
            self._reached = 0
            return Delta(0, reset=True)
        elif kind == "changed" and self._begun:  # what came before the snapshot is in it
            return Delta(self._reached, registry_changed=True)
        return None

    def _update(self, row: Sequence[Any]) -> Update:
        key, value, time, changed, quality, *more = row
        return Update(*self._keys[key], value, time, changed, Quality(quality), *more)

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
