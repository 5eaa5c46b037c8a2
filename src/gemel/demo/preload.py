"""The days before the demo starts: logs taken in as history, with their times moved as the live log's are."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from gemel.connectors.replay import readings_of_log
from gemel.demo.machines import Machine
from gemel.platform import Platform
from gemel.twin import ConnectorSpec

__all__ = ["preload"]


def preload(
    platform: Platform, machine: Machine, spec: ConnectorSpec, *, now: int, progress: Callable[[int], None]
) -> int:
    """Take in everything of the machine's logs before its live part, as if `machine.begin` were `now`.

    Returns how many readings were taken; `progress` is called with how many more.
    """
    taken, source = 0, f"{machine.twin}-log"
    end = pa.scalar(now, pa.timestamp("us", tz="UTC"))
    for batch in readings_of_log(
        machine.logs, spec.bindings, platform.registry.directory, device=machine.device, shift=now - machine.begin
    ):
        earlier = batch.filter(pc.less(batch.column("time"), end))
        taken += platform.intake.submit_frame(source, earlier).result().accepted
        progress(earlier.num_rows)
    return taken
