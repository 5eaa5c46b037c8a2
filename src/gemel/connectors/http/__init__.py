"""What may come in over HTTP, as messages and frames: JSON, Arrow, CloudEvents. The server does the transport."""

from gemel.connectors.frames import ARROW, decode_arrow
from gemel.connectors.http.bodies import Ingest, decode_json
from gemel.connectors.http.cloudevents import BATCH, STRUCTURED, decode_cloudevents, is_cloudevent
from gemel.connectors.http.source import HttpSettings, HttpSource
from gemel.connectors.sizes import MAX_BODY_BYTES

__all__ = [
    "ARROW",
    "BATCH",
    "MAX_BODY_BYTES",
    "STRUCTURED",
    "HttpSettings",
    "HttpSource",
    "Ingest",
    "decode_arrow",
    "decode_cloudevents",
    "decode_json",
    "is_cloudevent",
]
