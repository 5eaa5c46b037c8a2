"""How configurations are kept up, over the network. Answers are plain data, as docs/reference/http.md shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gemel.client.transport import Transport, path_of
from gemel.clock import Moment, moment, to_rfc3339
from gemel.twin import Page

__all__ = ["Sources", "Translations", "Upkeep"]

Row = dict[str, Any]


class Upkeep:
    """`client.upkeep`: promises on what is known of machines, and dated snapshots."""

    def __init__(self, transport: Transport) -> None:
        self._at = transport

    def __call__(self, *, broken: bool = False, q: str = "", limit: int = 100, cursor: str = "") -> Page[Row]:
        """What is promised, and how it stands; a page may have fewer than `limit`, and still a next one. `q`: of those
        with this in their id, part or serial number."""
        asked = {"broken": str(broken).lower(), "q": q, "limit": limit, "cursor": cursor}
        return self._at.get(Page[Row], path_of("upkeep"), **asked)

    def of(self, item: str) -> Row:
        """How one is kept up: `standing`, `last_snapshot`, `events`, `refused`. Raises NotFound."""
        return self._at.get(Row, path_of("items", item, "upkeep"))

    def promise(self, item: str, *, within_days: float = 0.0, every: str = "") -> Row:
        """Every slot is confirmed at most so long ago (0: nothing is promised), and a snapshot is taken every month,
        quarter, year (empty: none by themselves). Raises NotFound, InvalidInput, Denied."""
        body = {"within_days": within_days, "every": every}
        return self._at.send(Row, "PUT", path_of("items", item, "upkeep"), body)

    def snapshots(self, item: str) -> list[Row]:
        """Those of an item, the oldest first. Raises NotFound."""
        return self._at.get(list[Row], path_of("items", item, "snapshots"))

    def snapshot(self, item: str, *, at: Moment | None = None, title: str = "") -> Row:
        """Seal what is known of a moment. Raises NotFound, InvalidInput (a time to come)."""
        body: Row = {"title": title} | ({} if at is None else {"at": to_rfc3339(moment(at))})
        return self._at.send(Row, "POST", path_of("items", item, "snapshots"), body)

    def sealed(self, number: int) -> Row:
        """The tree that a snapshot is of. Raises NotFound, Conflict (it was tampered with)."""
        return self._at.get(Row, path_of("snapshots", str(number)))

    def changed(self, number: int, to: int = 0) -> list[Row]:
        """What changed since a snapshot, up to another one, or now. Raises NotFound, Conflict."""
        return self._at.get(list[Row], path_of("snapshots", str(number), "difference"), **({"to": to} if to else {}))


class Translations:
    """`client.translations`: which events become which operations, and those of which none came."""

    def __init__(self, transport: Transport) -> None:
        self._at = transport

    def __call__(self) -> list[Row]:
        """All that are declared."""
        return self._at.get(list[Row], path_of("translations"))

    def declare(self, id: str, translation: Mapping[str, Any]) -> Row:
        """From now on: {event, operation, types?, kind?, make?, enabled?}. Raises InvalidInput."""
        return self._at.send(Row, "PUT", path_of("translations", id), dict(translation))

    def attempt(self, translation: Mapping[str, Any], twin: str, fields: Mapping[str, Any]) -> list[Row]:
        """Which operations an event of a twin would become; nothing is written. Raises NotFound, InvalidInput."""
        body = {"translation": dict(translation), "twin": twin, "fields": dict(fields)}
        return self._at.send(list[Row], "POST", path_of("translations", "try"), body)

    def remove(self, id: str) -> None:
        """Raises NotFound."""
        self._at.request("DELETE", path_of("translations", id))

    def refusals(self, *, state: str = "open", twin: str = "", limit: int = 100, cursor: str = "") -> Page[Row]:
        """Events of which no operation came, with the reason, the oldest first."""
        return self._at.get(Page[Row], path_of("refusals"), state=state, twin=twin, limit=limit, cursor=cursor)

    def retry(self, number: int) -> Row:
        """Try it again. Raises NotFound; what still stands against it."""
        return self._at.send(Row, "POST", path_of("refusals", str(number), "retry"))

    def discard(self, number: int) -> Row:
        """It becomes no operation. Raises NotFound."""
        return self._at.send(Row, "POST", path_of("refusals", str(number), "discard"))


class Sources:
    """`client.sources`: configurations of others, asked where they lie."""

    def __init__(self, transport: Transport) -> None:
        self._at = transport

    def __call__(self) -> list[Row]:
        """All that are attached, each asked whether it answers."""
        return self._at.get(list[Row], path_of("sources"))

    def get(self, id: str) -> Row:
        """One. Raises NotFound."""
        return self._at.get(Row, path_of("sources", id))

    def attach(self, id: str, source: Mapping[str, Any]) -> Row:
        """{kind, path? | table?, secret?, columns: {item, part, …}}. Raises InvalidInput when it does not answer so."""
        return self._at.send(Row, "PUT", path_of("sources", id), dict(source))

    def remove(self, id: str) -> None:
        """Raises NotFound."""
        self._at.request("DELETE", path_of("sources", id))

    def machines(self, id: str, *, q: str = "", limit: int = 20) -> list[Row]:
        """The first machines of it; `q`: with this in their id, part or serial number. Raises NotFound."""
        return self._at.get(list[Row], path_of("sources", id, "machines"), q=q, limit=limit)

    def tree(self, id: str, root: str, **when: Moment) -> Row:
        """A machine of it, with all that it consists of: `at, known`. Raises NotFound."""
        told = {name: to_rfc3339(moment(value)) for name, value in when.items()}
        return self._at.get(Row, path_of("sources", id, "tree"), root=root, **told)
