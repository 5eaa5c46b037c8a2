"""May somebody do something? A decision anew, one that is remembered, and what somebody may see, among 2,000 grants."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Connection, insert

import gemel
from benchmarks.record import Record
from gemel.access import Principal, Resource, ResourceKind, Selector
from gemel.access.tables import access_grant
from gemel.platform import Platform
from gemel.twin import Change

TWINS, OWN, OTHERS = 1_000, 10, 2_000
BUDGET_US = 200
ROUNDS, TIMES = 15, 200
LESS = {"higher_is_better": False}


def run(record: Record) -> None:
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as folder, gemel.open(folder) as plant:
        _plant(plant)
        gate, callers = plant.gate, _callers()
        about = Resource(ResourceKind.TWIN, "press-3", "condition")
        one = next(callers)
        gate.decide(one, "read", about)
        anew = _us(lambda: gate.decide(next(callers), "read", about))
        record(f"decision anew, {OWN} own grants, {OTHERS:,} of others", anew, "µs", budget=BUDGET_US, **LESS)
        record("decision that is remembered", _us(lambda: gate.decide(one, "read", about)), "µs", **LESS)
        seen = _us(lambda: gate.projection(next(callers)), 5) / 1000
        record(f"what of {TWINS:,} twins a caller may see, anew", seen, "ms", **LESS)


def _callers() -> Iterator[Principal]:
    """Programs of one service, each of which the gate has not seen before."""
    return (Principal(id=f"token-{number}", kind="Token", owner="user-bench", party="own") for number in count())


def _us(work: Callable[[], Any], times: int = TIMES) -> float:
    """Microseconds of CPU for one, the median of some rounds."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(times):
            work()
        found.append((time.process_time() - began) / times * 1e6)
    return median(found)


def _plant(plant: Platform) -> None:
    press = {"id": "press", "properties": [{"name": "temperature", "group": "condition"}]}
    twins = [{"id": f"press-{number}", "types": ["press"]} for number in range(TWINS)]
    plant.apply({"gemel": 1, "types": [press], "twins": twins})
    plant.gate.parties.add("own", "Own Ltd")
    for number in range(OWN):
        plant.gate.grant("party:own", ["read"], Selector(twins=(f"press-{number}",)), groups=["condition"])

    def fill(tx: Connection) -> tuple[None, list[Change]]:
        shared = {"actions": '["read"]', "selector": '{"everything":true}', "groups": "[]", "purpose": "", "actor": ""}
        rows = [
            {"id": f"grant-{number:016x}", "grantee": f"party:p{number % 100}", "created": 1, **shared}
            for number in range(OTHERS)
        ]
        tx.execute(insert(access_grant), rows)
        return None, []

    plant.intake.transact(fill).result(30)
    plant.gate.grants.reload()
