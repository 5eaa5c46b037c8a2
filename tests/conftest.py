"""What all tests share: quick ones run first, browsers and long ones last."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Within a kind the order of the files stays."""
    items.sort(key=lambda item: (bool(item.get_closest_marker("slow")), bool(item.get_closest_marker("browser"))))
