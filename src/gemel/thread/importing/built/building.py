"""Taking as-built lists in: what is new is loaded, what differs is received as an inspection."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import msgspec
from sqlalchemy import Connection

from gemel.configuration import Basis, Built, Configuration
from gemel.configuration.acts.loading import prepare
from gemel.errors import Conflict, GemelError
from gemel.thread.importing.built.machine import Machine
from gemel.thread.importing.built.recorded import Recorded
from gemel.thread.importing.built.values import Listed
from gemel.thread.importing.found import Found, Given, ListedLine

__all__ = ["Building"]


class Building:
    """All as-built lists of one import."""

    def __init__(self, configuration: Configuration, now: int, *, receive: bool) -> None:
        """`receive`: what differs from the record becomes the record, as seen; else it is a fault."""
        self._configuration, self._now, self._receive = configuration, now, receive
        self.listed: dict[str, Listed] = {}
        """By the name of the file."""

    def look(self, tx: Connection, given: Sequence[Given]) -> None:
        """What becomes of all lines; faults are told of their files."""
        lists = [one.found for one in given if one.found.listed]
        for found in lists:
            self.listed[found.name] = self._listed(tx, found)
        lines: list[tuple[Built, Found, str]] = [
            (line, found, place) for found in lists for line, place in self.listed[found.name].load
        ]
        if lines:
            book = self._configuration.parts.read(tx)
            ready = prepare(tx, [(number, line) for number, (line, _, _) in enumerate(lines)], book)
            for refused in ready.loaded.refused:
                _, found, place = lines[refused.line]
                found.fault(place, refused.reason)

    def _listed(self, tx: Connection, found: Found) -> Listed:
        told, machines = Listed(), dict[str, list[ListedLine]]()
        recorded = Recorded(tx, self._configuration, found.listed, self._now)
        undated = [line.place for line in found.listed if line.at is None]
        if undated and not self._receive:
            said = f"{undated[0]} does not say" if len(undated) == 1 else f"{len(undated):,} lines do not say"
            way = "fill the column, say `since` in the mapping, or receive the list"
            found.fault(undated[0], f"{said} when it was built in; {way}")
        for line in found.listed:
            machines.setdefault(line.machine, []).append(line)
        for machine, lines in machines.items():
            root = recorded.machines.get(machine, "")
            if isinstance(root, list):
                found.fault(lines[0].place, f"{machine} may be {', '.join(root[:5])}; name the machine by its id")
                continue
            lines.sort(key=lambda line: len(line.path))  # a parent before its parts
            Machine(recorded, found, lines, root).into(told, receive=self._receive)
        return told

    def counts(self, found: Found) -> tuple[int, int]:
        """Lines of a file that say what is new, and those that say what is recorded."""
        listed = self.listed.get(found.name)
        return (0, 0) if listed is None else (len(listed.load), listed.known)

    def differs(self, found: Found) -> bool:
        """Whether something of a file is to be received."""
        listed = self.listed.get(found.name)
        return listed is not None and bool(listed.receive)

    def take(self, found: Found, basis: Basis) -> None:
        """Load what is new of a file, and receive the rest. Raises Conflict: something became known meanwhile."""
        listed = self.listed.get(found.name)
        if listed is None:
            return
        done = self._configuration.load([line for line, _ in listed.load], basis=basis)
        if done.refused:
            first = done.refused[0]
            place = listed.load[first.line - 1][1]
            raise Conflict(f"{found.name} {place}: {first.reason}; look at the import again")
        for root, seen, specs in listed.receive:
            key = f"{found.sha256[:40]}:{sha256(root.encode()).hexdigest()[:12]}:{self._now}"
            told = msgspec.structs.replace(basis, key=key, evidence=f"record:{found.records[0][0].id}")
            _, outcomes = self._configuration.adopt(root, seen, basis=told, specs=specs)
            for one in outcomes:
                if isinstance(one, GemelError):
                    found.fault(root, one.detail, "left out")
