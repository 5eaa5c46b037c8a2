"""Certificates of a connector that connects to others over TLS."""

from __future__ import annotations

import ssl

import msgspec

from gemel.connectors.base import Port, SecretRef

__all__ = ["Tls", "context_of"]


class Tls(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Certificates: names of PEM files below the directory of secrets. The other side's name is always checked."""

    ca: str = ""
    """Who may have signed the other side's certificate; empty: the authorities the system trusts."""
    certificate: str = ""
    key: str = ""
    """Our own, when the other side asks for one."""
    key_password: SecretRef | None = None


def context_of(tls: Tls, port: Port) -> ssl.SSLContext:
    """For a connection. Reads files. Raises InvalidDocument for one that is not below the secrets, OSError."""
    context = ssl.create_default_context(cafile=port.file(tls.ca) if tls.ca else None)
    if tls.certificate:
        password = port.secret(tls.key_password) if tls.key_password else None
        context.load_cert_chain(port.file(tls.certificate), port.file(tls.key) if tls.key else None, password)
    return context
