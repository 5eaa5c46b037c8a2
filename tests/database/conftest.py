"""The PostgreSQL server of the session."""

from gemel.testing.postgres import postgres

__all__ = ["postgres"]
