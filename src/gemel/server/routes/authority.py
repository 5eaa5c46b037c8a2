"""The plant's own authority: what others trust, and whom no more."""

from __future__ import annotations

from litestar import get
from litestar.response import Response

from gemel.server.call import call_of
from gemel.server.guard import needs
from gemel.server.http import Req
from gemel.server.options import API

__all__ = ["ROUTES"]

READ = needs("read", "Device")


@get(f"{API}/authority", opt=READ, tags=["devices"], summary="The certificate of the plant's own authority (PEM)")
async def authority(request: Req) -> Response[bytes]:
    """What endpoints trust that take certificates of devices. Its key is never given out."""
    call = call_of(request)
    certificates = call.services.platform.gate.devices.certificates
    pem: str = await call.services.waiting.run(lambda: certificates.authority.certificate)
    return Response(pem.encode(), media_type="application/x-pem-file")


@get(f"{API}/authority/revocations", opt=READ, tags=["devices"], summary="Revoked certificates as a CRL (PEM)")
async def revocations(request: Req) -> Response[bytes]:
    """For servers that are not ours, like a broker; good for a week. Ours know at once."""
    call = call_of(request)
    known = call.services.platform.gate.devices
    pem: str = await call.services.waiting.run(lambda: known.certificates.revocations(known.all()))
    return Response(pem.encode(), media_type="application/x-pem-file")


ROUTES = [authority, revocations]
