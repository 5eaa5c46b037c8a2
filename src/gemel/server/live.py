"""The live socket: one connection for a tab, many subscriptions on it. See docs/reference/websocket.md."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

import msgspec

from gemel.access import Resource, ResourceKind
from gemel.errors import Denied, GemelError, InvalidInput, Overloaded, Unauthenticated
from gemel.platform import Platform
from gemel.server.call import Call
from gemel.server.guard import require_twin
from gemel.state import Delta, Selection, Subscription
from gemel.twin import Position

__all__ = ["Live", "Subscribe", "messages_of", "owes", "resumed"]

MAX_SUBSCRIPTIONS = 64
MAX_RATE_HZ = 50.0
DEFAULT_RATE_HZ = 4.0
PING_S = 10.0
HASH_EVERY_S = 1.0
VALUES_A_FRAME = 5_000
"""A frame holds at most so many values, so that a large snapshot does not hold up the rest."""
_encode = msgspec.msgpack.Encoder(enc_hook=str).encode
_decode = msgspec.msgpack.Decoder(dict[str, Any]).decode


class Chosen(msgspec.Struct, forbid_unknown_fields=True):
    """Twins by type, or those that are part of nothing."""

    type: str = ""
    roots: bool = False


class Subscribe(msgspec.Struct, forbid_unknown_fields=True):
    """What a reader wants to follow."""

    s: int
    twins: list[str] | Chosen
    depth: int | None = 0
    properties: list[str] | None = None
    headline: bool = False
    rate_hz: float | None = DEFAULT_RATE_HZ
    after: int | None = None
    epoch: str = ""
    copy: bool = False
    """A copy is kept: what came after a position comes as latest values, rows are whole, the first ends in a mark."""
    t: str = "sub"

    def selection(self) -> Selection:
        chosen = self.twins if isinstance(self.twins, Chosen) else None
        return Selection(
            twins=() if isinstance(self.twins, Chosen) else tuple(self.twins),
            type=chosen.type if chosen else "",
            roots=chosen.roots if chosen else False,
            depth=self.depth,
            properties=None if self.properties is None else tuple(self.properties),
            headline=self.headline,
            events=not self.copy,
        )


def resumed(platform: Platform, after: Position | None, epoch: str) -> tuple[Position | None, bool]:
    """(where to go on, whether to begin again): a position that was seen in another epoch means something else here."""
    return (after, False) if after is None or epoch == platform.epoch else (None, True)


class Keys:
    """Short integers for twin–property pairs; given once for each subscription."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}

    def of(self, series: int) -> tuple[int, bool]:
        """(key, it is new) of a series."""
        found = self._known.get(series)
        if found is not None:
            return found, False
        key = self._known[series] = len(self._known)
        return key, True


def messages_of(
    delta: Delta, s: int, keys: Keys, *, owed: bool = False, copy: bool = False
) -> Iterable[dict[str, Any]]:
    """A delta as the protocol's messages, in the order they are sent.

    All but the last say that there is `more`; with `owed` (the snapshot after a gap is still to come) the last, too.
    Rows for a `copy` end in `recorded` and `position`.
    """
    waiting: dict[str, Any] | None = None
    for message in _parts(delta, keys, copy):
        if waiting is not None:
            yield {**waiting, "s": s, "more": True}
        waiting = message
    if waiting is not None:
        yield {**waiting, "s": s, "more": True} if owed else {**waiting, "s": s}


def owes(delta: Delta, owed: bool) -> bool:
    """Whether after this delta the snapshot that follows a gap is still to come."""
    return not delta.snapshot and (owed or delta.gap is not None)


def _parts(delta: Delta, keys: Keys, copy: bool) -> Iterable[dict[str, Any]]:
    if delta.gap is not None:
        yield {"t": "gap", "from": delta.gap.after, "to": delta.gap.until}
    values, kind = delta.values, "snap" if delta.snapshot or delta.gap is not None else "delta"
    if len(values) or delta.snapshot:
        yield from _values(values, {"t": kind, "position": delta.position}, keys, copy)
    if delta.transitions:
        new, items = [], []
        for one in delta.transitions:
            key, is_new = keys.of(one.series)
            if is_new:
                new.append((key, one.twin, one.property))
            items.append((key, one.fresh, one.stale_since))
        if new:
            yield {"t": "keys", "keys": new}
        yield {"t": "fresh", "items": items}
    if delta.events:
        yield {
            "t": "event",
            "events": [
                {
                    "position": one.position,
                    "twin": one.change.subject,
                    "kind": one.change.kind,
                    "time": one.change.time,
                    "body": one.change.body,
                }
                for one in delta.events
            ],
        }
    if delta.gone:
        yield {"t": "gone", "twins": list(delta.gone)}
    if delta.mark is not None:
        yield {"t": "mark", "position": delta.position, "hash": delta.mark.hash, "count": delta.mark.count}


def _values(values: Any, head: dict[str, Any], keys: Keys, copy: bool) -> Iterable[dict[str, Any]]:
    more = list(zip(values.recorded.tolist(), values.position.tolist(), strict=True)) if copy else None
    times, changed, quality = values.time.tolist(), values.changed.tolist(), values.quality.tolist()
    stale, names, plain = values.stale_since.tolist(), values.names, values.value
    rows, new, sent = [], [], False
    for i, series in enumerate(values.series.tolist()):
        key, is_new = keys.of(series)
        if is_new:
            new.append((key, *names[i]))
        since = stale[i]
        row = (key, plain[i], times[i], changed[i], quality[i], since == 0, since or None)
        rows.append(row if more is None else row + more[i])
        if len(rows) == VALUES_A_FRAME:
            if new:
                yield {"t": "keys", "keys": new}
            yield {**head, "values": rows}
            rows, new, sent = [], [], True
            head = {**head, "t": "delta"}  # the rest of a large snapshot adds to its first part
    if new:
        yield {"t": "keys", "keys": new}
    if rows or not sent:
        yield {**head, "values": rows}


class Live:
    """One open socket. It sends through one lock, so a slow reader holds up its own subscriptions and nothing else."""

    def __init__(self, call: Call, socket: Any) -> None:
        self._call = call
        self._services = call.services
        self._platform = call.services.platform
        self._socket = socket
        self._sending = asyncio.Lock()
        self._tasks: dict[int, tuple[asyncio.Task[None], Subscription]] = {}
        self._hashed: dict[int, float] = {}

    async def run(self) -> None:
        """Until the other side, or the server, ends it."""
        offered = self._socket.scope.get("subprotocols") or ()
        await self._socket.accept(subprotocols="gemel.v1" if "gemel.v1" in offered else None)
        self._services.metrics.sockets.inc()
        helpers: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._ping()),
            asyncio.create_task(self._follow_rights()),
            asyncio.create_task(self._follow_registry()),
        ]
        try:
            await self._hello()
            listening = asyncio.create_task(self._listen())
            stopping = asyncio.create_task(self._services.stopping.wait())
            helpers += [listening, stopping]
            done, _ = await asyncio.wait({listening, stopping, *helpers[:2]}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            with contextlib.suppress(Exception):  # it may be gone already
                await self._socket.close(code=1001)
        except Unauthenticated as error:
            with contextlib.suppress(Exception):
                await self._send({"t": "error", "s": None, "code": error.code, "detail": error.detail})
                await self._socket.close(code=4401, reason=error.code)
        finally:
            self._services.metrics.sockets.dec()
            subscriptions = [self._tasks.pop(s) for s in list(self._tasks)]
            for task, subscription in subscriptions:
                subscription.close()
                task.cancel()
            for task in helpers:
                task.cancel()
            await asyncio.gather(*helpers, *(task for task, _ in subscriptions), return_exceptions=True)

    async def _send(self, message: dict[str, Any]) -> None:
        frame = _encode(message)
        self._services.callers.of(self._call.who).sent_bytes += len(frame)
        async with self._sending:
            await self._socket.send_bytes(frame)

    async def _hello(self) -> None:
        who = self._call.who
        await self._send(
            {
                "t": "hello",
                "now": self._platform.clock.now(),
                "position": self._platform.state.position,
                "epoch": self._platform.epoch,
                "rev": self._platform.registry.directory.revision,
                "demo": who.kind == "Demo",
                "principal": {"id": who.id, "role": str(who.role)},
            }
        )

    async def _listen(self) -> None:
        while True:
            frame = await self._socket.receive()
            if frame["type"] == "websocket.disconnect":
                return
            number, quiet = None, False
            try:
                message = _read(frame)
                number, quiet = message.get("s"), message.get("t") == "mark"
                self._platform.gate.pace.take(self._call.who)
                await self._handle(message)
            except GemelError as error:
                if not quiet:  # whoever asks how far it has come asks again
                    await self._send(_problem(number, error))

    async def _handle(self, message: dict[str, Any]) -> None:
        kind = message.get("t")
        if kind == "sub":
            await self._subscribe(message)
        elif kind == "unsub":
            await self._end(message.get("s"))
        elif kind == "mark":
            self._mark(message.get("s"), hashed=bool(message.get("hash")))
        elif kind == "ping":
            now, position = self._platform.clock.now(), self._platform.state.position
            await self._send({"t": "pong", "n": message.get("n"), "now": now, "position": position})
        elif kind != "pong":
            raise InvalidInput(f"t={kind!r:.40} is not understood; use sub, unsub, mark, ping")

    async def _subscribe(self, message: dict[str, Any]) -> None:
        try:
            wanted = msgspec.convert(message, Subscribe)
        except msgspec.ValidationError as error:
            raise InvalidInput(f"the subscription does not fit: {error}") from error
        if len(self._tasks) >= MAX_SUBSCRIPTIONS and wanted.s not in self._tasks:
            raise Overloaded(f"a socket carries {MAX_SUBSCRIPTIONS} subscriptions; end one, or ask for twins together")
        if wanted.rate_hz is not None and not 0 < wanted.rate_hz <= MAX_RATE_HZ:
            raise InvalidInput(f"rate_hz {wanted.rate_hz} is not between 0 and {MAX_RATE_HZ:g}")
        gone = self._left_out(wanted) if wanted.copy else []
        self._permit(wanted)
        await self._end(wanted.s)
        after, reset = resumed(self._platform, wanted.after, wanted.epoch)
        view = self._platform.view(self._call.who, self._call.action)
        subscription = await self._services.reads.run(
            view.subscribe,
            wanted.selection(),
            self._call.look,
            after=after,
            rate_hz=wanted.rate_hz,
            latest=wanted.copy,
        )
        if wanted.copy:
            subscription.mark()
        if gone:
            await self._send({"t": "gone", "s": wanted.s, "twins": gone, "more": True})
        task = asyncio.create_task(self._deliver(wanted, subscription, reset=reset))
        self._tasks[wanted.s] = task, subscription

    def _left_out(self, wanted: Subscribe) -> list[str]:
        """Leave twins out of a copy that are not seen (any more), for as long as any is left; returns these."""
        if isinstance(wanted.twins, Chosen):
            return []
        view, directory = self._platform.view(self._call.who, self._call.action), self._platform.registry.directory
        seen = [id for id in wanted.twins if (entry := directory.twin(id)) is not None and view.shows(entry, id)]
        gone = [id for id in wanted.twins if id not in set(seen)]
        wanted.twins = seen or wanted.twins
        return gone if seen else []

    def _permit(self, wanted: Subscribe) -> None:
        who, gate = self._call.who, self._platform.gate
        if isinstance(wanted.twins, Chosen) or not wanted.twins:
            gate.require(who, "subscribe", Resource(ResourceKind.FLEET, "all twins"))
            return
        for twin in wanted.twins:
            require_twin(self._call, who, "subscribe", twin)

    async def _deliver(self, wanted: Subscribe, subscription: Subscription, *, reset: bool) -> None:
        s, keys, owed = wanted.s, Keys(), False
        try:
            if reset:
                await self._send({"t": "reset", "s": s, "epoch": self._platform.epoch})
            async for delta in subscription:
                owed = owes(delta, owed)
                for message in messages_of(delta, s, keys, owed=owed, copy=wanted.copy):
                    await self._send(message)
        except GemelError as error:
            await self._send(_problem(s, error))
        finally:
            subscription.close()

    def _mark(self, s: Any, *, hashed: bool) -> None:
        """A hash reads all that is selected: one in so many seconds is enough for anybody."""
        if not isinstance(s, int) or s not in self._tasks:
            return
        now = asyncio.get_running_loop().time()
        if hashed and now - self._hashed.get(s, 0.0) < HASH_EVERY_S:
            hashed = False
        elif hashed:
            self._hashed[s] = now
        self._tasks[s][1].mark(hashed=hashed)

    async def _end(self, s: Any) -> None:
        found = self._tasks.pop(s, None) if isinstance(s, int) else None
        if found is not None:
            task, subscription = found
            subscription.close()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _follow_registry(self) -> None:
        """Tell when types, twins or links changed."""
        watch = self._services.watch
        seen = watch.count
        while True:
            seen = await watch.after(seen)
            await self._tell_changed()

    async def _tell_changed(self) -> None:
        revision = self._platform.registry.directory.revision
        await self._send({"t": "changed", "rev": revision, "kinds": ["types", "twins", "links"]})

    async def _ping(self) -> None:
        """Every ten seconds."""
        number = 0
        while True:
            await asyncio.sleep(PING_S)
            number += 1
            now, position = self._platform.clock.now(), self._platform.state.position
            await self._send({"t": "ping", "n": number, "now": now, "position": position})

    async def _follow_rights(self) -> None:
        """See to it that what may not be seen any more ends, within a second. Raises Unauthenticated."""
        changed = asyncio.Event()
        seen = self._call.look()
        with self._services.rights.hold(self._call, changed.set):
            while True:
                await changed.wait()
                changed.clear()
                for _, subscription in list(self._tasks.values()):
                    subscription.poke()
                with contextlib.suppress(Denied):  # each subscription says so by itself
                    before, seen = seen, self._call.look()
                    if seen is not before:
                        await self._tell_changed()


def _problem(s: Any, error: GemelError) -> dict[str, Any]:
    told = {"t": "error", "s": s, "code": error.code, "detail": error.detail}
    return told | {"retry_after_s": error.retry_after_s} if isinstance(error, Overloaded) else told


def _read(frame: Any) -> dict[str, Any]:
    data = frame.get("bytes")
    if data is None:
        raise InvalidInput("frames are binary, each one MessagePack map")
    try:
        return _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"the frame is not a MessagePack map: {error!s:.200}") from error
