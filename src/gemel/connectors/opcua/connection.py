"""One connection to a server: its certificate checked, a session, and word when it is lost."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from asyncua import Client, ua
from asyncua.crypto import security_policies
from asyncua.crypto.uacrypto import CertProperties, load_certificate
from cryptography import x509

from gemel.connectors.base import SecretRef
from gemel.connectors.opcua.settings import OpcuaSettings, Security
from gemel.connectors.opcua.trust import check_trusted

__all__ = ["Connection", "connect"]


class Lent(Protocol):
    """What a connection needs of its port, or of a `Reach`."""

    def secret(self, ref: SecretRef) -> str: ...
    def place(self, name: str) -> Path: ...


class Connection:
    """An open session. `lost` is set, with the reason, when it breaks."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def _on_lost(self, error: Exception) -> None:
        if not self.lost.done():
            self.lost.set_result(f"{type(error).__name__}: {error}".rstrip(": "))


@asynccontextmanager
async def connect(settings: OpcuaSettings, reach: Lent) -> AsyncIterator[Connection]:
    """A session with the server of `settings`.

    Raises ConnectionError when it cannot be reached, refuses us, or is not trusted; the text says what to do.
    """
    # The library asks after the server this often, and gives it as long to answer.
    client = Client(settings.url, timeout=settings.timeout_s, watchdog_intervall=settings.timeout_s)
    client.name = client.description = "Gemel"
    client.application_uri = f"urn:{socket.gethostname()}:gemel"
    client.session_timeout = 60_000
    if settings.user:
        client.set_user(settings.user)
        if settings.password is not None:
            client.set_password(reach.secret(settings.password))
    try:
        if settings.security.policy != "none":
            await _secure(client, settings.security, reach)
        connection = Connection(client)
        client.connection_lost_callback = connection._on_lost
        await client.connect()
    except (ua.UaError, TimeoutError) as error:
        raise ConnectionRefusedError(f"{settings.url}: {_why(error)}") from error
    try:
        yield connection
    finally:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(settings.timeout_s):
                await client.disconnect()
        client.disconnect_socket()


async def _secure(client: Client, security: Security, reach: Lent) -> None:
    """Set certificates up, and check the server's before anything is sent to it."""
    policy = getattr(security_policies, f"SecurityPolicy{security.policy}")
    mode = getattr(ua.MessageSecurityMode, security.mode)
    certificate, key = reach.place(security.certificate), reach.place(security.key)
    trust = [reach.place(name) for name in security.trust]
    if security.generate and not certificate.exists():
        for folder in (certificate.parent, key.parent):
            folder.mkdir(parents=True, exist_ok=True)
        await client.setup_self_signed_certificate(key, certificate)
        key.chmod(0o600)
    ours = await load_certificate(certificate)
    client.application_uri = _application_uri(ours) or client.application_uri
    endpoints = await client.connect_and_get_server_endpoints()
    offered = [one for one in endpoints if one.SecurityPolicyUri == policy.URI and one.SecurityMode == mode]
    if not offered:
        others = sorted({f"{one.SecurityPolicyUri.rpartition('#')[2]} {one.SecurityMode.name}" for one in endpoints})
        raise ConnectionRefusedError(
            f"the server does not offer {security.policy} {security.mode}; it offers {', '.join(others)}"
        )
    theirs = offered[0].ServerCertificate
    check_trusted(theirs, trust)
    await client.set_security(
        policy,
        CertProperties(certificate),
        CertProperties(key, password=reach.secret(security.key_password) if security.key_password else None),
        server_certificate=CertProperties(theirs, "der"),
        mode=mode,
    )


def _application_uri(certificate: x509.Certificate) -> str:
    """The URI that a certificate was issued to; the session must use the same."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    return next(iter(names.get_values_for_type(x509.UniformResourceIdentifier)), "")


def _why(error: Exception) -> str:
    if isinstance(error, ua.UaStatusCodeError):
        advice = _ADVICE.get(error.code, "")
        return f"{type(error).__name__}{': ' + advice if advice else ''}"
    return str(error) or type(error).__name__


_ADVICE = {
    ua.StatusCodes.BadUserAccessDenied: "the server does not accept this user and password",
    ua.StatusCodes.BadIdentityTokenRejected: "the server does not accept this way to sign in; does it want a user?",
    ua.StatusCodes.BadIdentityTokenInvalid: "the server does not accept this way to sign in; does it want a user?",
    ua.StatusCodes.BadSecurityChecksFailed: "the server does not accept our certificate; trust it there",
    ua.StatusCodes.BadCertificateUntrusted: "the server does not trust our certificate; trust it there",
    ua.StatusCodes.BadCertificateUriInvalid: "our certificate was issued to another application URI",
}
