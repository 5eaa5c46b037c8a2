"""The session's cookie."""

from __future__ import annotations

from gemel.server.call import Call

__all__ = ["cookie_name", "read_cookie", "set_cookie"]


def cookie_name(secure: bool) -> str:
    """Over TLS the name itself makes browsers insist on Secure, this host and the root path."""
    return "__Host-gemel_session" if secure else "gemel_session"


def set_cookie(call: Call, secret: str) -> None:
    """Send the session's secret, or take it back with an empty one."""
    secure = "; Secure" if call.secure else ""
    age = "" if secret else "; Max-Age=0"
    call.cookies.append(f"{cookie_name(call.secure)}={secret}; Path=/; HttpOnly; SameSite=Strict{secure}{age}".encode())


def read_cookie(header: str, name: str) -> str:
    """The value of one cookie of a Cookie header; empty without it."""
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return ""
