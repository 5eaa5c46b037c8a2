"""Imports through mappings: product structures, bills of material, inspections, logs of machines, and other files."""

from gemel.thread.importing.found import Fault, Given
from gemel.thread.importing.imports import FilePreview, Imports, Preview
from gemel.thread.importing.mapping import Mapping, load_mapping, shipped
from gemel.thread.importing.other import Importer

__all__ = ["Fault", "FilePreview", "Given", "Importer", "Imports", "Mapping", "Preview", "load_mapping", "shipped"]
