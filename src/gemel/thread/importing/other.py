"""Files of a form that a plug-in reads."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar, Protocol

from gemel import plugins
from gemel.errors import GemelError, InvalidInput
from gemel.thread.importing.found import Given
from gemel.thread.importing.mapping import OtherSource

__all__ = ["Importer", "read_other"]


class Importer(Protocol):
    """The class behind a name of the group `gemel.importers`. It reads, and writes nothing: what it found is looked at
    before anything is taken in."""

    Settings: ClassVar[type[Any]]
    """A msgspec struct: what `settings` of the mapping may say."""

    def __call__(self, settings: Any) -> Importer:
        """With checked settings."""

    def read(self, given: Given, record: str) -> None:
        """Fill `given.found` with what the file says: items, measurements, links, structure. `record` is the id of
        the file's own record, with its links there already. A row that cannot be read is `given.found.fault(place,
        message, level)`; raise InvalidInput for a file that is none."""


def read_other(given: Given, source: OtherSource, named: Collection[str]) -> None:
    """The file as a record, with what the plug-in finds in it. Raises InvalidInput, UnknownPlugin, MissingExtra,
    PluginFailed."""
    kind = plugins.load(plugins.IMPORTERS, source.importer, named)
    settings = plugins.settings_for(kind, source.settings, f"importer {source.importer}")
    spec = given.record(source.record)
    given.found.records.append((spec, ""))
    for link in source.links:
        given.link(link, spec.id, "")
    try:
        kind(settings).read(given, spec.id)
    except GemelError:
        raise
    except Exception as error:  # whatever is wrong in it is a fault of this file
        told = f"{type(error).__name__}: {error!s:.200}"
        raise InvalidInput(f"the importer {source.importer} fell over ({told}); tell who made it") from error
