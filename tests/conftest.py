"""What all tests share: quick ones run first, browsers and long ones last."""

import pytest

# before any test module imports them: the asserts of the public suites tell what they compared
pytest.register_assert_rewrite(
    "gemel.testing.connectors", "gemel.testing.journal", "gemel.testing.plants", "gemel.testing.registry"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Within a kind the order of the files stays. Browsers last: their driver keeps an event loop in its process."""
    items.sort(key=lambda item: (bool(item.get_closest_marker("browser")), bool(item.get_closest_marker("slow"))))
