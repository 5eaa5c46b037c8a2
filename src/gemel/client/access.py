"""Users, tokens and the audit log, for administrators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gemel.client.transport import Transport, path_of
from gemel.clock import Moment, moment, to_rfc3339
from gemel.errors import UnknownTwin
from gemel.twin import Page

__all__ = ["Access"]

Row = dict[str, Any]


class Access:
    """`client.access`: the administrator's verbs. Answers are plain data, as docs/reference/http.md shows them."""

    def __init__(self, transport: Transport) -> None:
        self._at = transport

    def users(self, *, limit: int = 100, cursor: str = "") -> Page[Row]:
        return self._at.get(Page[Row], path_of("users"), limit=limit, cursor=cursor)

    def all_users(self) -> Iterator[Row]:
        """Everybody, page by page."""
        cursor: str | None = ""
        while cursor is not None:
            page = self.users(limit=1000, cursor=cursor)
            yield from page.items
            cursor = page.next

    def add_user(
        self, name: str, password: str | None, role: str | None = None, *, party: str = "", kind: str = "person"
    ) -> Row:
        """Without a password the person is invited, see `add_link`. Raises Conflict (a taken name), InvalidInput."""
        given = {"name": name, "password": password, "role": role, "party": party, "kind": kind}
        return self._at.send(Row, "POST", path_of("users"), given)

    def add_link(self, user: str) -> Row:
        """A one-time link with which a person sets a password; its `address` is shown this once."""
        return self._at.send(Row, "POST", path_of("links"), {"user": user})

    def change_user(self, user: str, **fields: Any) -> Row:
        """`role`, `password`, `disabled`. Raises NotFound, Conflict (the last administrator stays)."""
        return self._at.send(Row, "PATCH", path_of("users", user), fields)

    def erase_user(self, user: str) -> None:
        """The name, password, sessions and tokens go; the random id stays in journal and audit log."""
        self._at.request("DELETE", path_of("users", user))

    def tokens(self, *, limit: int = 100, cursor: str = "") -> Page[Row]:
        return self._at.get(Page[Row], path_of("tokens"), limit=limit, cursor=cursor)

    def add_token(self, name: str, role: str | None = None, *, expires: Moment | None = None, **only: Any) -> Row:
        """The answer's `secret` is shown this once. `only`: `owner`, `actions`, `selector` that it is kept to."""
        end = None if expires is None else to_rfc3339(moment(expires))
        return self._at.send(Row, "POST", path_of("tokens"), {"name": name, "role": role, "expires": end, **only})

    def withdraw_token(self, token: str) -> None:
        """Ends at once. Raises NotFound."""
        self._at.request("DELETE", path_of("tokens", token))

    def audit(self, *, limit: int = 100, cursor: str = "", **only: str) -> Page[Row]:
        """The newest entries first; `only`: `principal`, `party`, `action`, `resource`, `start`, `end`."""
        return self._at.get(Page[Row], path_of("audit"), limit=limit, cursor=cursor, **_given(only))

    def usage(self, *, limit: int = 100, **only: str) -> Page[Row]:
        """Who used what; `only`: `twin`, `principal`, `party`, `start`, `end`."""
        return self._at.get(Page[Row], path_of("usage"), limit=limit, **_given(only))

    # other organisations

    def parties(self, *, limit: int = 100, cursor: str = "") -> Page[Row]:
        return self._at.get(Page[Row], path_of("parties"), limit=limit, cursor=cursor)

    def add_party(self, id: str, name: str) -> Row:
        """Raises Conflict when there is one of that id."""
        return self._at.send(Row, "POST", path_of("parties"), {"id": id, "name": name})

    def change_party(self, id: str, **fields: Any) -> Row:
        """`name`, `disabled`. Raises NotFound."""
        return self._at.send(Row, "PATCH", path_of("parties", id), fields)

    def grants(self, *, current: bool = False, limit: int = 100, cursor: str = "", **only: str) -> Page[Row]:
        """The newest first; `only`: `to`, `twin`."""
        asked = {"current": str(current).lower(), **_given(only)}
        return self._at.get(Page[Row], path_of("grants"), limit=limit, cursor=cursor, **asked)

    def grant(self, to: str, actions: Sequence[str], selector: Mapping[str, Any], **terms: Any) -> Row:
        """Grant to party:<id>, user:<id> or role:<role>; `terms`: `groups`, `starts`, `ends`, `history`, `purpose`,
        `items` (a view of the configuration)."""
        given = {"to": to, "actions": list(actions), "selector": dict(selector), **terms}
        return self._at.send(Row, "POST", path_of("grants"), given)

    def preview(
        self, selector: Mapping[str, Any], groups: Sequence[str] = (), items: Mapping[str, Any] | None = None
    ) -> Row:
        """What somebody would see by such a grant; nothing is done."""
        given = {"selector": dict(selector), "groups": list(groups), "items": items}
        return self._at.send(Row, "POST", path_of("grants", "preview"), given)

    def grant_templates(self) -> list[Row]:
        """Usual grants: `id`, `title`, `told`, `actions`, `groups`, `days`, `history`."""
        return self._at.get(list[Row], path_of("grant-templates"))

    def load(self) -> Row:
        """What waits in the server, and what each caller has cost it since it started."""
        return self._at.get(Row, path_of("load"))

    def revoke(self, grant: str) -> Row:
        """Ends at once. Raises NotFound, Conflict when it was revoked before."""
        return self._at.send(Row, "DELETE", path_of("grants", grant), None)

    def why(self, who: str, action: str, what: str) -> Row:
        """By which grant or rule somebody may do something, or what would be needed; `what`: twin, twin.property or
        item:<id>."""
        if what.startswith("item:"):
            asked = {"who": who, "action": action, "item": what.removeprefix("item:")}
            return self._at.get(Row, path_of("access", "why"), **asked)
        twin, _, property = what.rpartition(".")
        try:  # ids of twins may have dots, too
            return self._at.get(Row, path_of("access", "why"), who=who, action=action, twin=what)
        except UnknownTwin:
            if not twin:
                raise
            return self._at.get(Row, path_of("access", "why"), who=who, action=action, twin=twin, property=property)


def _given(asked: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in asked.items() if value}
