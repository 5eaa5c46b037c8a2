import contextlib
from collections.abc import Iterator

import pytest

import gemel
from gemel.errors import Conflict
from gemel.platform import Platform
from gemel.server import Server
from gemel.state import Selection
from tests.commands.skid import Skid, plant


@pytest.fixture(scope="session")
def _skid() -> Iterator[Skid]:
    with Skid() as skid:
        yield skid


@pytest.fixture(scope="module")
def _platform(tmp_path_factory: pytest.TempPathFactory, _skid: Skid) -> Iterator[Platform]:
    with gemel.open(tmp_path_factory.mktemp("commands") / "plant") as opened:
        yield opened


@pytest.fixture
def skid(_skid: Skid) -> Skid:
    _skid.reset()
    return _skid


@pytest.fixture
def platform(_platform: Platform, skid: Skid) -> Iterator[Platform]:
    """A platform whose pump-1 is the skid, connected; what a test orders has ended when the next one begins."""
    connect(_platform, skid)
    yield _platform
    commander = _platform.commander
    for order in _platform.orders(limit=1000).items:
        if not order.ended:
            with contextlib.suppress(Conflict):  # it has left
                commander.cancel(order.id).result()
            commander.reached(order.id).result(60)
    held = commander.authority.of("pump-1", _platform.clock.now())
    if held is not None:
        commander.authority.release("pump-1", held.holder)


@pytest.fixture(scope="module")
def server(_platform: Platform) -> Iterator[Server]:
    with Server(_platform, port=0) as running:
        yield running


def connect(opened: Platform, skid: Skid, control: str = "") -> None:
    """Declare the skid, and wait until its values are those of the start."""
    opened.apply(plant(skid.url, control))
    wanted = {"speed": 0.0, "batch": 0, "mode": "remote", "door": "closed", "pressure": 3.5}
    with opened.subscribe(Selection(twins=("pump-1",))) as changes:
        while {name: now.value for name, now in opened.now("pump-1").items() if now.fresh} != wanted:
            assert changes.get(60) is not None
