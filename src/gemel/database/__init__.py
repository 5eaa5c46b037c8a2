"""The one SQL database of a platform: SQLite (a file of the folder) or PostgreSQL (a URL).

Registry, journal, intake and access each describe their own tables on `metadata` (their `tables.py`) and their own
migration in `migrations/versions`. Nobody but the journal's writer thread opens a write transaction.
"""

from gemel.database.database import Database, fit, metadata, overwrite, telling

__all__ = ["Database", "fit", "metadata", "overwrite", "telling"]
