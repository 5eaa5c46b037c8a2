"""Orders to the objects of twins, and control of them. Answers are plain data, as docs/reference/http.md shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gemel.client.transport import Transport, path_of
from gemel.twin import Page

__all__ = ["Control", "Goals", "Orders", "Transactions"]

Row = dict[str, Any]
LONGEST_WAIT_S = 60.0


class Orders:
    """`client.command`, `client.set`, `client.orders` and what belongs to them."""

    def __init__(self, transport: Transport) -> None:
        self._at = transport

    def command(
        self,
        twin: str,
        name: str,
        input: Mapping[str, Any] | None = None,  # noqa: A002 - the word of the type
        *,
        wait_s: float = 0.0,
        **how: Any,
    ) -> Row:
        """Have the object do something; the order, or with `wait_s` as it is when it has ended. Read its `state`.
        `how`: deadline_s, key, expects ([{root, hash} or {slot, item} or {has}]: what is assumed of its
        configuration). Raises ConfigurationDiffers."""
        body = {"input": dict(input or {}), **how}
        return self._send("POST", path_of("twins", twin, "commands", name), body, wait_s)

    def set(
        self, twin: str, property: str, value: Any, *, if_revision: int | None = None, wait_s: float = 0.0, **how: Any
    ) -> Row:
        """Have a property become a value; `how`: unit, deadline_s, key, expects. Raises
        RevisionConflict, ConfigurationDiffers."""
        headers = {} if if_revision is None else {"If-Match": f'"{if_revision}"'}
        path = path_of("twins", twin, "properties", property, "desired")
        return self._send("PUT", path, {"value": value, **how}, wait_s, headers)

    def _send(self, method: str, path: str, body: Row, wait_s: float, headers: Mapping[str, str] | None = None) -> Row:
        params = {"wait": min(wait_s, LONGEST_WAIT_S)} if wait_s else {}
        return self._at.send(Row, method, path, body, params=params, headers=dict(headers or {}))

    def desired(self, twin: str) -> dict[str, Row]:
        """What properties are to be, beside what they are."""
        return self._at.get(dict[str, Row], path_of("twins", twin, "desired"))

    def __call__(self, twin: str = "", *, states: Iterable[str] = (), limit: int = 100, cursor: str = "") -> Page[Row]:
        """The newest first; of one twin, or of all that may be read."""
        path = path_of("twins", twin, "orders") if twin else path_of("orders")
        return self._at.get(Page[Row], path, states=tuple(states), limit=limit, cursor=cursor)

    def get(self, order: str, *, wait_s: float = 0.0) -> Row:
        """One order; with `wait_s` as it is when it has ended, or so many seconds have passed. Raises NotFound."""
        return self._at.get(Row, path_of("orders", order), wait=min(wait_s, LONGEST_WAIT_S) or None)

    def cancel(self, order: str) -> Row:
        """Take back what has not left. Raises Conflict."""
        return self._at.send(Row, "POST", path_of("orders", order, "cancel"))

    def approve(self, order: str) -> Row:
        """Agree to somebody else's order. Raises Conflict."""
        return self._at.send(Row, "POST", path_of("orders", order, "approve"))

    def resolve(self, order: str, *, applied: bool, note: str = "") -> Row:
        """Say what became of an order of which nobody could tell. Raises Conflict."""
        return self._at.send(Row, "POST", path_of("orders", order, "resolve"), {"applied": applied, "note": note})


class Transactions:
    """`client.transaction`, `client.transactions` and what belongs to them."""

    def __init__(self, transport: Transport) -> None:
        self._at = transport

    def ask(
        self,
        members: Iterable[Mapping[str, Any]],
        *,
        title: str = "",
        on_failure: str = "compensate",
        in_order: bool = False,
        wait_s: float = 0.0,
        **how: Any,
    ) -> Row:
        """Have several machines do something, all of them or none; the transaction, or with `wait_s` as it is when it
        has ended. Read its `state`. A member: {"twin": …, "property": …, "value": …} or {"twin": …, "command": …};
        with `expects`, what is assumed of its configuration."""
        body = {"members": list(members), "title": title, "on_failure": on_failure, "in_order": in_order, **how}
        params = {"wait": min(wait_s, LONGEST_WAIT_S)} if wait_s else {}
        return self._at.send(Row, "POST", path_of("transactions"), body, params=params)

    def __call__(self, twin: str = "", *, states: Iterable[str] = (), limit: int = 100, cursor: str = "") -> Page[Row]:
        """The newest first; of one twin, or of all that may be read."""
        path = path_of("transactions")
        return self._at.get(Page[Row], path, twin=twin, states=tuple(states), limit=limit, cursor=cursor)

    def get(self, transaction: str, *, wait_s: float = 0.0) -> Row:
        """One; with `wait_s` as it is when it has ended, or so many seconds have passed. Raises NotFound."""
        return self._at.get(Row, path_of("transactions", transaction), wait=min(wait_s, LONGEST_WAIT_S) or None)

    def cancel(self, transaction: str) -> Row:
        """Take it back. Raises Conflict."""
        return self._at.send(Row, "POST", path_of("transactions", transaction, "cancel"))

    def approve(self, transaction: str) -> Row:
        """Agree to somebody else's. Raises Conflict."""
        return self._at.send(Row, "POST", path_of("transactions", transaction, "approve"))


class Goals:
    """`client.goal`, `client.goals` and what belongs to them."""

    def __init__(self, transport: Transport) -> None:
        self._at = transport

    def ask(self, twin: str, name: str, value: float, *, unit: str = "", wait_s: float = 0.0, **how: Any) -> Row:
        """Bring a goal to a value; the run, or with `wait_s` as it is when it is over. `how`: deadline_s, key,
        expects."""
        params = {"wait": min(wait_s, LONGEST_WAIT_S)} if wait_s else {}
        body = {"value": value, "unit": unit, **how}
        return self._at.send(Row, "PUT", path_of("twins", twin, "goals", name), body, params=params)

    def __call__(self, twin: str) -> list[Row]:
        """The goals of a twin, and where they stand."""
        return self._at.get(list[Row], path_of("twins", twin, "goals"))

    def runs(self, twin: str, name: str, *, limit: int = 100, cursor: str = "") -> Page[Row]:
        """Runs towards one, the newest first."""
        return self._at.get(Page[Row], path_of("twins", twin, "goals", name, "runs"), limit=limit, cursor=cursor)

    def get(self, run: str, *, wait_s: float = 0.0) -> Row:
        """One run. Raises NotFound."""
        return self._at.get(Row, path_of("goals", run), wait=min(wait_s, LONGEST_WAIT_S) or None)

    def cancel(self, run: str) -> Row:
        """Begin no further stage. Raises Conflict."""
        return self._at.send(Row, "POST", path_of("goals", run, "cancel"))


class Control:
    """`client.control`: who has control of a twin."""

    def __init__(self, transport: Transport) -> None:
        self._at = transport

    def of(self, twin: str) -> Row:
        """Who has it, and which rules hold now."""
        return self._at.get(Row, path_of("twins", twin, "control"))

    def take(self, twin: str, *, for_s: float | None = None, force: str = "") -> Row:
        """Take it, or renew it; `force`: the reason to take it from somebody. Raises Conflict, Denied."""
        return self._at.send(Row, "PUT", path_of("twins", twin, "control"), {"for_s": for_s, "force": force})

    def people(self, twin: str) -> list[Row]:
        """To whom it can be handed over: everybody else who may command the twin."""
        return self._at.get(list[Row], path_of("twins", twin, "control", "people"))

    def hand_over(self, twin: str, to: str) -> Row:
        """Give it to somebody else who may command the twin, by id or name. Raises InvalidInput, Conflict."""
        return self._at.send(Row, "POST", path_of("twins", twin, "control", "hand-over"), {"to": to})

    def release(self, twin: str) -> None:
        """Give it up."""
        self._at.request("DELETE", path_of("twins", twin, "control"))
