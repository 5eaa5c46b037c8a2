"""Telling the other system what changed here and is ours to say: once, however often it is tried."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote

from msgspec.structs import replace
from sqlalchemy import Connection

from gemel.clock import to_rfc3339
from gemel.disk import make_folder, sync, write_whole
from gemel.errors import Conflict, GemelError, InvalidInput, NotFound
from gemel.services.work.exchange import keeping
from gemel.services.work.exchange.calling import Answer, Calling, NotNow, Refused
from gemel.services.work.exchange.files import written
from gemel.services.work.exchange.ground import Ground, Outgoing, digest, micros, new_thing, same
from gemel.services.work.exchange.keeping import Agreed, Fault, Ran, Thing
from gemel.services.work.exchange.mapping import Fields, at_path, outward, text_of
from gemel.services.work.exchange.plugged import Plugged

__all__ = ["Telling"]

LONGEST_WAIT_S = 3600.0
PATIENCE = 10
"""So often a new one that they have not answered is told again before something else is taken in."""


class Waiting(NamedTuple):
    """Something that they are to be told."""

    thing: Thing
    """`changed`: when it was read here."""
    fields: Fields
    body: dict[str, Any]


class Telling(Ground):
    """The way out."""

    def outgoing(self) -> Iterator[Outgoing]:
        """What they are to be told."""
        for ours, _ in self._side.each(self.exchange):
            found = self._waiting(ours)
            if isinstance(found, Waiting):
                thing = found.thing
                due = thing.due if thing.due > self._clock.now() else 0
                yield Outgoing(ours=ours, external=thing.external, body=found.body, due=due, detail=thing.detail)

    def unanswered(self) -> list[Thing]:
        """What they may have made without our knowing its id: taken in, it would be a second one."""
        push = self.exchange.push
        if push is None or not (push.url or self.exchange.plugin):
            return []
        with self._database.read() as tx:
            return [one for one in keeping.unanswered(tx, self.exchange.id) if one.attempts < PATIENCE]

    def push(self, *, now_all: bool = False, unanswered: bool = False) -> Ran:
        """Tell them what changed here and is ours to say. `now_all`: also what was to wait after a failure;
        `unanswered`: only what they may have made already."""
        start, counts, faults, detail = self._clock.now(), {"sent": 0, "waiting": 0, "refused": 0}, list[Fault](), ""
        ready: list[Waiting] = []
        with self._database.read() as tx:
            looked = keeping.looked(tx, self.exchange.id)
        fine: list[int] = []
        each: Iterable[tuple[str, int]] = self._side.each(self.exchange)
        if unanswered:
            each = [(one.ours, start) for one in self.unanswered()]
        for ours, changed in each:
            if changed < looked.get(ours, changed):
                continue  # it has not changed since both sides said the same
            found = self._waiting(ours)
            if isinstance(found, Waiting):
                if found.thing.due > start and not now_all:
                    counts["waiting"] += 1
                else:
                    ready.append(found)
            elif found is not None and found.state in ("same", "waiting") and found.number:
                fine.append(found.number)
        if fine:
            self._write(lambda tx: keeping.look(tx, fine, start))
        push = self.exchange.push
        try:
            if push is not None and push.folder:
                counts["sent"] += self._into_file(ready)
            elif ready:
                detail = self._told_all(ready, counts, faults)
        except (GemelError, OSError) as error:
            detail = error.detail if isinstance(error, GemelError) else str(error)
            counts["waiting"] += len(ready)
        return self._ran("push", start, counts, faults, detail)

    def _waiting(self, ours: str) -> Waiting | Thing | None:
        """What they are to be told of it; the thing, where that is nothing; None: it is none of theirs."""
        read_at = self._clock.now()
        try:
            current = self._side.fields(ours)
        except NotFound:
            return None
        with self._database.read() as tx:
            thing = keeping.thing(tx, self.exchange.id, ours=ours, external=str(current.get("external", "")))
        push = self.exchange.push
        if thing is None:
            if push is None or not push.new or current.get("external"):
                return None  # theirs, and not pulled yet
            thing = replace(new_thing(self.exchange.id, ""), ours=ours)
        if thing.state == "refused" and not thing.agreed.refused:
            return None  # what they told last could not be taken: what both sides say is not known
        names = [name for name, how in self.exchange.maps.items() if how.outward and name != "external"]
        mine = [name for name in names if self.exchange.owned(name) != "theirs" and name not in thing.agreed.conflict]
        told = frozenset(mine if thing.external else names)
        if not thing.external and thing.attempts and thing.agreed.fields:  # the same again; what changed since, after
            current = thing.agreed.fields
        elif (thing.external or thing.agreed.fields) and all(
            same(current.get(name, ""), thing.agreed.fields.get(name)) for name in told
        ):
            return thing
        body = outward(self.exchange, current, self._look, told)
        if thing.agreed.refused and thing.agreed.refused == digest(body):
            return None
        fields = {name: current.get(name, "") for name in told if thing.external or name in current}
        return Waiting(replace(thing, changed=read_at), fields, body)

    def _told_all(self, ready: list[Waiting], counts: dict[str, int], faults: list[Fault]) -> str:
        way = Plugged if self.exchange.plugin else Calling
        with way(self.exchange, self._reach, self._closing) as calling:
            for place, (thing, fields, body) in enumerate(ready):
                begun = thing if thing.external else self._begun(thing, fields)
                try:
                    answer = self._tell(calling, begun, body)
                    self._sent(begun, fields, answer)
                    counts["sent"] += 1
                except (Refused, Conflict, InvalidInput, NotFound) as error:
                    counts["refused"] += 1
                    if isinstance(error, Refused):
                        begun = replace(begun, agreed=thing.agreed if thing.external else Agreed())
                    self._not_sent(begun, error.detail, refused=digest(body))
                    faults.append(Fault(place=thing.ours, external=thing.external, message=error.detail))
                except NotNow as error:
                    if not error.perhaps:
                        begun = replace(begun, agreed=thing.agreed)
                    self._not_sent(begun, error.detail, after_s=error.retry_after_s)
                    counts["waiting"] += len(ready) - place
                    return error.detail  # the others would fare the same
        return ""

    def _tell(self, calling: Calling | Plugged, thing: Thing, body: dict[str, Any]) -> Answer:
        push = self.exchange.push
        assert push is not None
        key = f"{self.exchange.id}-{thing.ours}"
        # Of what is new one key for all tries of it, and another one only after they refused what it said.
        key = f"{key}-{digest(body)[:24]}" if thing.external else f"{key}-{thing.agreed.refused[:24] or 'new'}"
        if isinstance(calling, Plugged):
            return calling.tell(thing.external, body, key=key, id_at=push.id)
        if not thing.external:
            return calling.send("POST", push.url, body, key=key)
        url = (push.update_url or push.url).replace("{external}", quote(thing.external, safe=""))
        return calling.send(push.update_method, url, body, key=key)

    def _begun(self, thing: Thing, fields: Fields) -> Thing:
        """Before they make it: that they may have, and what they were told, is known whatever comes between."""
        agreed, found = replace(thing.agreed, fields=fields), list[Thing | None]()
        begun = replace(thing, state="waiting", attempts=thing.attempts + 1, agreed=agreed)

        def work(tx: Connection) -> None:
            keeping.keep(tx, begun)
            found[:] = [keeping.thing(tx, thing.exchange, ours=thing.ours)]

        self._write(work)
        kept = found[0]
        assert kept is not None
        return kept

    def _sent(self, thing: Thing, fields: Fields, answer: Answer) -> None:
        kept = _agreed(thing, fields)
        if not thing.external:
            push = self.exchange.push
            assert push is not None
            external = text_of(at_path(answer.body, push.id))[:200]
            if not external:
                raise NotNow(f"their answer has no id at {push.id!r}; say with push.id where it is", perhaps=True)
            kept = replace(kept, external=external, changed=0)  # looked at once more: it may have changed meanwhile
            double = self._named(thing, external)
            if double is not None and double.number != thing.number:
                self._write(lambda tx: keeping.drop(tx, double.number))
        self._write(lambda tx: keeping.keep(tx, kept))

    def _named(self, thing: Thing, external: str) -> Thing | None:
        """They call it so; what was known of that id till now. Raises Conflict: it is another one's."""
        with self._database.read() as tx:
            double = keeping.thing(tx, thing.exchange, external=external)
        known = (double.ours if double is not None else "") or self._side.find(self.exchange, external)
        if known not in ("", thing.ours):
            raise Conflict(f"they made it as {external:.100}, and that is {known} here: cancel one of the two")
        self._side.name(self.exchange, thing.ours, external, self._actor)
        return double

    def _not_sent(self, thing: Thing, detail: str, *, refused: str = "", after_s: float = 0.0) -> None:
        now = self._clock.now()
        attempts = thing.attempts + bool(thing.external)  # of a new one it was counted when it began
        wait_s = max(after_s, min(LONGEST_WAIT_S, 2.0**attempts))
        kept = replace(thing, state="refused" if refused else "waiting", attempts=attempts, detail=detail, changed=now)
        agreed = replace(kept.agreed, refused=refused or kept.agreed.refused)
        kept = replace(kept, agreed=agreed, due=0 if refused else now + micros(wait_s))
        self._write(lambda tx: keeping.keep(tx, kept))

    def _into_file(self, ready: list[Waiting]) -> int:
        push = self.exchange.push
        assert push is not None
        if not ready:
            return 0
        folder = self._places(push.folder)
        make_folder(folder)
        rows = [{"gemel_id": thing.ours, **body} for thing, _, body in ready]
        data = written(rows, push.form)
        stamp = to_rfc3339(self._clock.now()).replace(":", "").partition(".")[0].rstrip("Z")
        write_whole(folder / f"{self.exchange.id}-{stamp}-{hashlib.sha256(data).hexdigest()[:12]}.{push.form}", data)
        sync(folder)
        for thing, fields, _ in ready:
            self._write(partial(keeping.keep, one=_agreed(thing, fields)))
        return len(ready)


def _agreed(thing: Thing, fields: Fields) -> Thing:
    """They were told these; what both changed still waits for a person."""
    agreed = Agreed(fields={**thing.agreed.fields, **fields}, conflict=thing.agreed.conflict)
    state: keeping.ThingState = "conflict" if agreed.conflict else "same"
    detail = thing.detail if agreed.conflict else ""
    return replace(thing, agreed=agreed, state=state, attempts=0, due=0, detail=detail)
