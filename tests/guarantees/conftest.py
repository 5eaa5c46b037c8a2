"""Worlds in which guarantees are tried."""

from tests.intake.conftest import world

__all__ = ["world"]
