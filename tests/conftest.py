"""What all tests share: quick ones run first, browsers and long ones last."""

import gc
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, settings

# before any test module imports them: the asserts of the public suites tell what they compared
pytest.register_assert_rewrite(
    "gemel.testing.connectors", "gemel.testing.journal", "gemel.testing.plants", "gemel.testing.registry"
)

# a loaded machine is no fault of what is tested: neither an example nor an answer has a time to keep by itself
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
for step in ("connect", "read", "write", "pool"):
    setattr(httpx._config.DEFAULT_TIMEOUT_CONFIG, step, 60.0)


@pytest.fixture(scope="session", autouse=True)
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Migrations run once: a seventh of a second for each of more than a thousand new plants."""
    from tests.tables import copied  # only now: the asserts above are registered first

    with copied(tmp_path_factory.mktemp("tables")):
        yield


@pytest.fixture(scope="session", autouse=True)
def whole_past() -> Iterator[None]:
    """Who asks for the past gets all of it: on a busy machine it is not told as it was some seconds before."""
    with pytest.MonkeyPatch.context() as patch:
        for place in ("server.services", "backup.keeper", "diagnosis.edges"):
            patch.setattr(f"gemel.{place}.FOLLOW_S", 60.0)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Within a kind the order of the files stays. Browsers last: their driver keeps an event loop in its process."""
    items.sort(key=lambda item: (bool(item.get_closest_marker("browser")), bool(item.get_closest_marker("slow"))))


def pytest_collection_finish() -> None:
    """Modules and tests stay: each server that starts would have the collector look through them all."""
    gc.collect()
    gc.freeze()
