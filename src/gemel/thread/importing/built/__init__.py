"""As-built lists: which serial number was in which slot, held against what is recorded before anything is written."""

from gemel.thread.importing.built.building import Building
from gemel.thread.importing.built.reading import read_as_built
from gemel.thread.importing.built.values import MachineCompared, SlotCompared

__all__ = ["Building", "MachineCompared", "SlotCompared", "read_as_built"]
