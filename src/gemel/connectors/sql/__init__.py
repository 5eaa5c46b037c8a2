"""SQL: a query that is asked again and again for what came since."""

from gemel.connectors.sql.settings import SqlSettings
from gemel.connectors.sql.source import SqlSource

__all__ = ["SqlSettings", "SqlSource"]
