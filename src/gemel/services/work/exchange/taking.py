"""Taking in what the other system tells: row by row, each judged against what both sides last agreed on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from gemel.disk import make_folder, sync
from gemel.errors import GemelError, InvalidInput
from gemel.services.work.exchange import keeping
from gemel.services.work.exchange.calling import Calling, NotNow, Refused, same_origin
from gemel.services.work.exchange.files import FORMS, listed, rows_of
from gemel.services.work.exchange.ground import MOST_TOLD, Ground, Look, What, in_order, new_thing, none_yet, same
from gemel.services.work.exchange.keeping import Agreed, Fault, Ran, Thing
from gemel.services.work.exchange.mapping import Fields, at_path, inward, text_of, version_of
from gemel.services.work.exchange.plugged import Plugged

__all__ = ["Taking"]

MOST_PAGES = 1000


class Taking(Ground):
    """The way in."""

    def pull(self) -> Ran:
        """Take in what they have. What is wrong with a row is told of it, and the others go on."""
        start, counts, faults, detail = self._clock.now(), none_yet(), list[Fault](), ""
        try:
            for place, row in self.incoming(taking=True):
                if self._closing():
                    raise NotNow("the platform closes; it goes on when it is open again")
                told = self._took(place, row)
                counts[told.what] += 1
                if told.message and len(faults) < MOST_TOLD:
                    faults.append(Fault(place=told.place, external=told.external, message=told.message))
        except NotNow as error:
            detail = error.detail
        except (GemelError, Refused) as error:
            detail = error.detail
        except OSError as error:  # a folder that may not be read, a disk that is full
            detail = str(error)
        return self._ran("pull", start, counts, faults, detail)

    def incoming(self, *, taking: bool) -> Iterator[tuple[str, Any]]:
        pull = self.exchange.pull
        if pull is None:
            return
        if self.exchange.plugin:
            yield from self._of_plugin(taking=taking)
        elif pull.folder:
            yield from self._of_files(taking=taking)
        else:
            yield from self._of_pages(taking=taking)

    def _of_files(self, *, taking: bool) -> Iterator[tuple[str, Any]]:
        pull = self.exchange.pull
        assert pull is not None
        folder = self._reach.inbox(pull.folder)
        make_folder(folder)
        for path in sorted(one for one in folder.iterdir() if one.suffix.lower() in FORMS and one.is_file()):
            if path.is_symlink():
                continue
            try:
                for place, row in rows_of(path, pull):
                    yield f"{path.name} {place}", row
            except InvalidInput as error:
                if taking:
                    _aside(path, folder / "refused")
                yield path.name, error  # a fault of the whole file
                continue
            if taking:
                _aside(path, folder / "done")

    def _of_plugin(self, *, taking: bool) -> Iterator[tuple[str, Any]]:
        with self._database.read() as tx:
            since, _ = keeping.place_of(tx, self.exchange.id)
        newest = since
        with Plugged(self.exchange, self._reach, self._closing) as way:
            for number, row in enumerate(way.rows(since), 1):
                newest = max(newest, version_of(self.exchange, row), key=in_order)
                yield f"row {number}", row
        if taking:
            now = self._clock.now()
            self._write(lambda tx: keeping.put_place(tx, self.exchange.id, newest, now))

    def _of_pages(self, *, taking: bool) -> Iterator[tuple[str, Any]]:
        pull = self.exchange.pull
        assert pull is not None
        with self._database.read() as tx:
            cursor, _ = keeping.place_of(tx, self.exchange.id)
        newest, told = cursor, ""
        with Calling(self.exchange, self._reach, self._closing) as calling:
            url, parameters = pull.url, dict[str, str]()
            if pull.since_parameter and cursor:
                parameters[pull.since_parameter] = cursor
            for page in range(1, MOST_PAGES + 1):
                body = calling.get(url, parameters)
                for place, row in listed(body, pull.items):
                    newest = max(newest, version_of(self.exchange, row), key=in_order)
                    yield f"page {page} {place}", row
                told = text_of(at_path(body, pull.cursor)) if pull.cursor else ""
                following = text_of(at_path(body, pull.next)) if pull.next else ""
                if not following:
                    break
                if pull.page_parameter:
                    parameters[pull.page_parameter] = following
                else:
                    url, parameters = same_origin(url, following), {}
        if taking:  # all of it is on stable storage
            now, place = self._clock.now(), told or newest
            self._write(lambda tx: keeping.put_place(tx, self.exchange.id, place, now))

    def _took(self, place: str, row: Any) -> Look:
        told, after = self.judged(place, row, taking=True)
        if after is None:
            return told
        try:
            return self._take(told, after)
        except (GemelError, msgspec.ValidationError) as error:
            detail = error.detail if isinstance(error, GemelError) else str(error)
            self._not_taken(after, detail)
            return replace(told, what="refused", message=detail, fields={})

    def _not_taken(self, after: Thing, detail: str) -> None:
        """What both sides agreed on stays; told again, the row is looked at again."""
        with self._database.read() as tx:
            known = keeping.thing(tx, self.exchange.id, external=after.external, ours=after.ours)
        kept = replace(known or new_thing(self.exchange.id, ""), external=after.external, ours=after.ours, theirs={})
        agreed = replace(kept.agreed, refused="")
        kept = replace(kept, state="refused", agreed=agreed, detail=detail, changed=self._clock.now())
        self._write(lambda tx: keeping.keep(tx, kept))

    def judged(self, place: str, row: Any, *, taking: bool = False) -> tuple[Look, Thing | None]:
        """What becomes of a row; with the thing as it will be known, where it is to be taken in."""
        if isinstance(row, InvalidInput):
            return Look(place=place, external="", what="refused", message=row.detail), None
        try:
            fields = inward(self.exchange, row, self._look)
        except InvalidInput as error:
            external = text_of(at_path(row, self.exchange.maps["external"].field))[:200]
            return Look(place=place, external=external, what="refused", message=error.detail), None
        external, mark = str(fields["external"])[:200], version_of(self.exchange, row)
        with self._database.read() as tx:
            known = keeping.thing(tx, self.exchange.id, external=external)
        if known is not None and known.mark and mark and in_order(mark) < in_order(known.mark):
            message = f"version {mark} came after {known.mark}"
            return Look(place=place, external=external, what="late", message=message), None
        if fields.get("visit.who"):
            try:
                fields["visit.who"] = self._person(fields, known, taking=taking)
            except InvalidInput as error:
                return Look(place=place, external=external, what="refused", message=error.detail), None
        if known is not None and known.theirs == fields:
            return Look(place=place, external=external, what="same"), None
        ours = known.ours if known is not None and known.ours else self._side.find(self.exchange, external)
        if known is None and ours:  # we made it there, and its answer was lost
            with self._database.read() as tx:
                known = keeping.thing(tx, self.exchange.id, ours=ours)
        base = known or new_thing(self.exchange.id, external)
        return self._compared(place, replace(base, external=external, ours=ours, theirs=fields, mark=mark))

    def _person(self, fields: Fields, known: Thing | None, *, taking: bool) -> str:
        """The random id of who they say went: a name is not kept with the row. Whoever was erased stays so, though
        they tell of the visit again. Raises InvalidInput."""
        before = {} if known is None else {**known.agreed.fields, **known.theirs}
        again = all(before.get(name) == fields.get(name) for name in ("visit.key", "visit.start"))
        was = str(before.get("visit.who", "")) if again else ""
        return self._look.person(self.exchange.system, fields["visit.who"], was, taking)

    def _compared(self, place: str, thing: Thing) -> tuple[Look, Thing]:
        told, agreed = thing.theirs, thing.agreed
        if not thing.ours:
            new = {name: (None, value) for name, value in told.items() if value not in ("", [])}
            look = Look(place=place, external=thing.external, what="new", fields=new)
            return look, replace(thing, agreed=Agreed(fields=told), state="same")
        current = self._side.fields(thing.ours)
        changes: dict[str, tuple[Any, Any]] = {}
        conflict: Fields = {}
        fields = dict(agreed.fields)
        for name, value in told.items():
            now, before = current.get(name, ""), agreed.fields.get(name)
            owner = self.exchange.owned(name)
            if same(value, now):
                fields[name] = value
            elif owner == "theirs" or (owner == "both" and (same(now, before) and not same(value, before))):
                changes[name] = (now, value)
                fields[name] = value
            elif owner == "both" and not same(value, before):
                conflict[name] = value
            elif owner == "ours":
                fields[name] = value  # what they have; they will be told ours
            # else only we changed it: they will be told
        after = replace(thing, agreed=Agreed(fields=fields, conflict=conflict, refused=agreed.refused))
        theirs_now = {**current, **{name: value for name, (_, value) in changes.items()}}
        mine = [name for name in fields if self.exchange.owned(name) != "theirs" and name not in conflict]
        if any(not same(theirs_now.get(name, ""), fields[name]) for name in mine):
            after = replace(after, state="waiting")
        else:
            after = replace(after, state="same")
        what: What = "conflict" if conflict else "updated" if changes else "same"
        message = f"both changed {', '.join(sorted(conflict))} since; say whose it is" if conflict else ""
        return Look(place=place, external=thing.external, what=what, fields=changes, message=message), after

    def _take(self, told: Look, thing: Thing) -> Look:
        now = self._clock.now()
        if told.fields:
            after = {name: value for name, (_, value) in told.fields.items()} | {"external": thing.external}
            visit = {name: value for name, value in thing.theirs.items() if name.startswith("visit.")}
            if any(name.startswith("visit.") for name in after):
                after = visit | after
            ours = self._side.take(self.exchange, thing.ours, after, self._actor)
            thing = replace(thing, ours=ours)
        state: keeping.ThingState = "conflict" if thing.agreed.conflict else thing.state
        kept = replace(thing, state=state, detail=told.message, changed=now, attempts=0, due=0)
        self._write(lambda tx: keeping.keep(tx, kept))
        return told


def _aside(path: Path, folder: Path) -> None:
    """Away from what is still to be taken; a name that is there already gets a number."""
    make_folder(folder)
    target, number = folder / path.name, 1
    while target.exists():
        number += 1
        target = folder / f"{path.stem}-{number}{path.suffix}"
    path.rename(target)
    sync(folder)
