"""Leaving with everything: a whole plant in open formats, and such a folder made a plant again, anywhere.

Nothing in an export needs Gemel to be read: Parquet, JSON Lines, YAML, and a description of every column. See
docs/how-to/leave-with-everything.md.
"""

from gemel.transfer.describe import COLUMNS, LEFT_OUT
from gemel.transfer.exporting import Exported, export_everything
from gemel.transfer.importing import Imported, import_everything

__all__ = ["COLUMNS", "LEFT_OUT", "Exported", "Imported", "export_everything", "import_everything"]
