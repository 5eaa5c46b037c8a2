"""What is not built is no twin, however it is declared."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemel.clock import SteppedClock
from gemel.configuration import ItemSpec, parse_parts
from gemel.errors import Conflict
from gemel.platform import Platform
from tests.configuration.conftest import day

TYPES = "types: [{id: mill}]\n"


def test_a_twin_is_not_made_in_service_of_an_item_that_is_not_built(tmp_path: Path) -> None:
    with Platform.open(tmp_path, clock=SteppedClock(day(6, 1)), run_connectors=False) as platform:
        items = platform.configuration
        items.parts.apply(items.parts.plan(parse_parts("parts: [{part: MILL, end_item: true}, {part: PUMP}]")))
        items.create(ItemSpec(id="M1", part="MILL", serial="1", twin="mill-1"), day(1, 1))
        in_service = TYPES + "twins: [{id: mill-1, types: [mill], stage: in_service}, {id: free, types: [mill]}]"
        with pytest.raises(
            Conflict, match="mill-1 is a design model still and cannot be in_service; record its as-built"
        ):
            platform.apply(in_service)
        platform.apply(in_service.replace("in_service", "planned"))
        with pytest.raises(Conflict, match="mill-1 is a design model still"):
            platform.apply(in_service)
        items.create(ItemSpec(id="P1", part="PUMP", serial="2"), day(1, 1))
        items.install("P1", "M1", "pump", day(1, 1))
        platform.apply(in_service)  # it is built now
        platform.apply(
            TYPES + "twins: [{id: free, types: [mill], stage: in_service}]"
        )  # nobody keeps its configuration
        items.create(ItemSpec(id="M2", part="MILL", twin="free"), day(1, 1))
        items.create(ItemSpec(id="P2", part="PUMP", twin="mill-2"), day(1, 1))
        assert items.design_models(["mill-1", "free", "mill-2"], end_items=True) == {"free"}
        assert items.design_models(["mill-1", "free", "mill-2"]) == {"free", "mill-2"}
