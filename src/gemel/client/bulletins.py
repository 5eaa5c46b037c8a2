"""Bulletins, and who relied on what was believed of machines, over the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gemel.client.transport import Transport, path_of
from gemel.clock import Moment, moment, to_rfc3339

__all__ = ["Bulletins", "Reliances"]

Row = dict[str, Any]


class Bulletins:
    """`client.bulletins`: what is to be done to some machines. Hand them in with `client.documents`, of kind bulletin,
    with `having=["P-7:<C", "CTL-FW:<2.1"]`."""

    def __init__(self, at: Transport) -> None:
        self._at = at

    def __call__(self, q: str = "", **query: Any) -> Row:
        """A page of those in force, with how many machines are in which state: `at, known, limit, cursor`."""
        return self._at.get(Row, path_of("bulletins"), q=q, **_texts(query))

    def get(self, bulletin: str, **query: Any) -> Row:
        """One with its machines: `state` (open, unknown, complied, not_needed), `at, known, limit, cursor`. Raises
        NotFound."""
        return self._at.get(Row, path_of("bulletins", bulletin), **_texts(query))

    def of(self, item: str, **when: Any) -> list[Row]:
        """How it stands with every bulletin at the machine that an item is in: `at, known`. Raises NotFound."""
        return self._at.get(list[Row], path_of("items", item, "bulletins"), **_texts(when))

    def comply(
        self,
        bulletin: str,
        item: str,
        *,
        at: Moment | None = None,
        version: str = "",
        basis: Mapping[str, Any] | None = None,
    ) -> Row:
        """What it says was done on a machine, or on the part that it is about. Raises NotFound, InvalidInput."""
        body = {"item": item, "version": version, "basis": dict(basis or {})}
        if at is not None:
            body["at"] = to_rfc3339(moment(at))
        return self._at.send(Row, "POST", path_of("bulletins", bulletin, "compliances"), body)


class Reliances:
    """`client.reliances`: crews that were sent, campaigns that were frozen, and whatever else said that it relied on a
    configuration."""

    def __init__(self, at: Transport) -> None:
        self._at = at

    def __call__(self, *, changed: bool = False, **query: Any) -> Row:
        """The newest first, each with what is believed otherwise now: `kind, reference, root, limit, cursor`."""
        return self._at.get(Row, path_of("reliances"), changed=str(changed).lower(), **_texts(query))

    def rely(
        self, kind: str, reference: str, root: str, *, valid: Moment | None = None, known: Moment | None = None
    ) -> Row:
        """Something is done because a machine is believed to be so at `valid`, as it was `known` then; now."""
        told = {"valid": valid, "known": known}
        body = {"kind": kind, "reference": reference, "root": root} | {
            name: to_rfc3339(moment(time)) for name, time in told.items() if time is not None
        }
        return self._at.send(Row, "POST", path_of("reliances"), body)

    def on(self, act: int) -> Row:
        """What an act changed of what was believed, and who had relied on that. Raises NotFound."""
        return self._at.get(Row, path_of("acts", str(act), "dependants"))


def _texts(given: Mapping[str, Any]) -> Row:
    return {
        name: to_rfc3339(value) if name in ("at", "known") and type(value) is int else value
        for name, value in given.items()
    }
