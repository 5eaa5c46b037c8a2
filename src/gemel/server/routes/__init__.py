"""The routes, a file for each noun."""

from __future__ import annotations

from typing import Any

from gemel.server.routes import (
    access,
    authority,
    backups,
    computing,
    connectors,
    control,
    devices,
    discoveries,
    enrolment,
    erasure,
    events,
    export,
    health,
    history,
    ingest,
    journal,
    now,
    odata,
    orders,
    parties,
    plant,
    query,
    sign_in,
    site,
    stream,
    twins,
    types,
    witness,
)

__all__ = ["ROUTES"]

ROUTES: list[Any] = [
    *site.ROUTES,
    *sign_in.ROUTES,
    *access.ROUTES,
    *parties.ROUTES,
    *backups.ROUTES,
    *enrolment.ROUTES,
    *devices.ROUTES,
    *authority.ROUTES,
    *types.ROUTES,
    *twins.ROUTES,
    *now.ROUTES,
    *orders.ROUTES,
    *control.ROUTES,
    *history.ROUTES,
    *computing.ROUTES,
    *events.ROUTES,
    *export.ROUTES,
    *stream.ROUTES,
    *plant.ROUTES,
    *query.ROUTES,
    *odata.ROUTES,
    *ingest.ROUTES,
    *connectors.ROUTES,
    *discoveries.ROUTES,
    *journal.ROUTES,
    *health.ROUTES,
    *erasure.ROUTES,
    *witness.ROUTES,
]
