"""Files dropped in a folder: each is taken in once, row by row, and put aside."""

from gemel.connectors.folder.settings import FolderSettings
from gemel.connectors.folder.source import FolderSource

__all__ = ["FolderSettings", "FolderSource"]
