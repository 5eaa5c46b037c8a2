"""In what units a reader may see what types declare."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from gemel.server.routes.units import _QUANTITIES, _view
from gemel.units import convert


def test_units_of_types_say_what_they_can_be_shown_in(as_role: Callable[[str], httpx.Client]) -> None:
    engineer = as_role("engineer")
    properties = [
        {"name": "oil", "unit": "Cel"},
        {"name": "rise", "unit": "K"},
        {"name": "force", "unit": "[psi]"},
        {"name": "share", "unit": "%"},
    ]
    command = {"name": "move", "input": [{"name": "by", "unit": "mm"}]}
    body = {"properties": properties, "commands": [command]}
    assert engineer.put("/api/v1/types/measured", json=body).status_code == 201
    found = {one["unit"]: one for one in as_role("viewer").get("/api/v1/units").json()["items"]}
    assert {"Cel", "[psi]", "mm"} <= found.keys()
    assert not {"K", "%", ""} & found.keys()  # a difference has no place on a scale
    assert (found["Cel"]["metric"], found["Cel"]["us"]) == ("Cel", "[degF]")
    assert (found["[psi]"]["metric"], found["[psi]"]["us"]) == ("bar", "[psi]")
    assert found["Cel"]["shown_in"] == [{"unit": "[degF]", "factor": 1.8, "offset": 32.0}]
    assert as_role("").get("/api/v1/units").status_code == 401


@pytest.mark.parametrize("pairs", _QUANTITIES, ids=lambda pairs: pairs[0][0])
def test_every_unit_of_a_quantity_leads_to_every_other_and_back(pairs: tuple[tuple[str, str], ...]) -> None:
    codes = {code for pair in pairs for code in pair}
    for code in codes:
        view = _view(code)
        assert view is not None
        assert {one.unit for one in view.shown_in} == codes - {code}
        assert {view.metric, view.us} <= codes
        for one in view.shown_in:
            assert convert(one.factor * 12.5 + one.offset, one.unit, code) == pytest.approx(12.5)
