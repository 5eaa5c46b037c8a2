"""Users, tokens and the audit log, for administrators."""

from __future__ import annotations

from typing import Any

from gemel.client.transport import Transport, path_of
from gemel.clock import Moment, moment, to_rfc3339
from gemel.twin import Page

__all__ = ["Access"]

Row = dict[str, Any]


class Access:
    """`client.access`: the administrator's verbs. Answers are plain data, as docs/reference/http.md shows them."""

    def __init__(self, transport: Transport) -> None:
        self._at = transport

    def users(self, *, limit: int = 100, cursor: str = "") -> Page[Row]:
        return self._at.get(Page[Row], path_of("users"), limit=limit, cursor=cursor)

    def add_user(self, name: str, password: str, role: str = "viewer") -> Row:
        """Raises Conflict (the name is taken), InvalidInput (a weak password)."""
        return self._at.send(Row, "POST", path_of("users"), {"name": name, "password": password, "role": role})

    def change_user(self, user: str, **fields: Any) -> Row:
        """`role`, `password`, `disabled`. Raises NotFound, Conflict (the last administrator stays)."""
        return self._at.send(Row, "PATCH", path_of("users", user), fields)

    def erase_user(self, user: str) -> None:
        """The name, password, sessions and tokens go; the random id stays in journal and audit log."""
        self._at.request("DELETE", path_of("users", user))

    def tokens(self, *, limit: int = 100, cursor: str = "") -> Page[Row]:
        return self._at.get(Page[Row], path_of("tokens"), limit=limit, cursor=cursor)

    def add_token(self, name: str, role: str = "viewer", *, expires: Moment | None = None) -> Row:
        """The answer's `secret` is shown this once."""
        end = None if expires is None else to_rfc3339(moment(expires))
        return self._at.send(Row, "POST", path_of("tokens"), {"name": name, "role": role, "expires": end})

    def withdraw_token(self, token: str) -> None:
        """Ends at once. Raises NotFound."""
        self._at.request("DELETE", path_of("tokens", token))

    def audit(self, *, principal: str = "", limit: int = 100, cursor: str = "") -> Page[Row]:
        """The newest entries first."""
        return self._at.get(Page[Row], path_of("audit"), principal=principal, limit=limit, cursor=cursor)
