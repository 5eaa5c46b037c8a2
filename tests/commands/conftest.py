from collections.abc import Iterator
from pathlib import Path

import pytest

import gemel
from gemel.platform import Platform
from gemel.state import Selection
from tests.commands.skid import Skid, plant


@pytest.fixture(scope="session")
def _skid() -> Iterator[Skid]:
    with Skid() as skid:
        yield skid


@pytest.fixture
def skid(_skid: Skid) -> Skid:
    _skid.reset()
    return _skid


@pytest.fixture
def platform(tmp_path: Path, skid: Skid) -> Iterator[Platform]:
    """A platform whose pump-1 is the skid, connected."""
    with gemel.open(tmp_path / "plant") as opened:
        connect(opened, skid)
        yield opened


def connect(opened: Platform, skid: Skid, control: str = "") -> None:
    """Declare the skid, and wait until its values have come."""
    opened.apply(plant(skid.url, control))
    wanted = {"speed", "batch", "mode", "door", "pressure"}
    with opened.subscribe(Selection(twins=("pump-1",))) as changes:
        while not wanted <= opened.now("pump-1").keys():
            assert changes.get(30) is not None
