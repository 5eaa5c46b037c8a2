"""Worlds in which guarantees are tried, and whether what a test tells is the result of a full run."""

from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from tests.guarantees.faults.results import as_full
from tests.intake.conftest import world

__all__ = ["world"]


@pytest.fixture(autouse=True)
def run_is_said(request: pytest.FixtureRequest) -> Iterator[None]:
    with as_full() if request.node.get_closest_marker("soak") else nullcontext():
        yield
