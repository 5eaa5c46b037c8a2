"""Arrow IPC streams as answers."""

from __future__ import annotations

import pyarrow as pa
from litestar.response import Response

from gemel.server.http import ARROW, Req

__all__ = ["arrow", "wants_arrow"]


def wants_arrow(request: Req) -> bool:
    """The caller asks for Arrow before JSON."""
    return ARROW in request.headers.get("accept", "")


def arrow(table: pa.Table) -> Response[bytes]:
    """The table as one IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return Response(sink.getvalue().to_pybytes(), media_type=ARROW)
