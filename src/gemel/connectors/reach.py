"""What of this machine, and from it, the settings of a connector can reach. Who writes settings need not be who runs
the server."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Self

from gemel.connectors.base import SecretRef
from gemel.errors import InvalidDocument, InvalidInput, MissingExtra, Problem

__all__ = ["Reach", "in_header"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
VARIABLES, SERVICES = "GEMEL_SECRET_", "gemel"
"""How the environment variables and the keyring's services that hold our secrets begin."""
OWN = "authority"
"""Folder below the secrets with the key that signs certificates of devices (access/authority.py)."""


class Reach:
    """Secrets, logs and files to be taken in that may be named: what lies below three directories, and names that say
    they are meant for it.

    The directories may be links themselves; a link in them that leads out of them is refused.
    """

    def __init__(
        self,
        *,
        secrets: Path | None = None,
        logs: Path | None = None,
        inbox: Path | None = None,
        networks: Sequence[str] = (),
        plugins: Collection[str] = (),
    ) -> None:
        """Without a directory, no file of that sort is reached. `networks` (10.1.0.0/16): those that are not public
        and may be sent to all the same. `plugins`: distributions whose connectors may be run. Raises InvalidInput for
        a network that is none."""
        self._secrets, self._logs, self._inbox = secrets, logs, inbox
        self.plugins = plugins
        self._networks = [_network(text) for text in networks]

    @classmethod
    def of(cls, folder: Path, *, networks: Sequence[str] = (), plugins: Collection[str] = ()) -> Self:
        """Of a platform's folder: `logs/`, `inbox/`, and `$CREDENTIALS_DIRECTORY` (systemd) or else `secrets/`."""
        given = os.environ.get("CREDENTIALS_DIRECTORY")
        secrets = Path(given) if given else folder / "secrets"
        logs, inbox = folder / "logs", folder / "inbox"
        return cls(secrets=secrets, logs=logs, inbox=inbox, networks=networks, plugins=plugins)

    def permits(self, address: str, *, encrypted: bool) -> bool:
        """Whether a sink may send to an IP address: to public ones when it is encrypted, and to the `networks`."""
        plain = _unwrapped(ipaddress.ip_address(address))
        if any(plain.version == network.version and plain in network for network in self._networks):
            return True
        return encrypted and plain.is_global and not plain.is_multicast

    def secret(self, ref: SecretRef) -> str:
        """What `ref` names. Raises InvalidDocument that names the reference, and MissingExtra without a keyring."""
        if ref.env:
            return _of_environment(ref.env)
        return self._of_file(ref.file) if ref.file else _of_keyring(ref.keyring)

    def file(self, name: str) -> Path:
        """A file below the directory of secrets (a certificate, a key), by its name there.

        Raises InvalidDocument that names it when it lies elsewhere or is not there.
        """
        path = self._secret_path(name)
        if not path.is_file():
            raise _unresolved(f"file {name!r:.300} is not in the directory of secrets, {self._secrets}", "file")
        return path

    def place(self, name: str) -> Path:
        """The same for what may have to be made, or is a folder."""
        return self._secret_path(name)

    def logs(self, patterns: Sequence[str]) -> list[Path]:
        """Logs by path or pattern, relative to the platform's folder, in this order; those of a pattern by name.

        Raises InvalidDocument for what is not below `logs/`, InvalidInput for what names no file.
        """
        return [path for pattern in patterns for path in self._matching(pattern)]

    def inbox(self, name: str) -> Path:
        """What `name` is, relative to the platform's folder. Raises InvalidDocument for what is not below `inbox/`."""
        root = self._inbox
        path = _inside(root, str(root.parent.absolute() / name)) if root is not None else None
        base = root.absolute() if root is not None else Path()
        full = base.parent / name
        if path is None or ".." in full.parts or base not in full.parents:
            raise InvalidDocument(
                "path", [Problem(f"{name!r:.300} is not below the platform's inbox/; write it like inbox/press-7")]
            )
        return path

    def _secret_path(self, name: str) -> Path:
        root = self._secrets
        if root is None:
            raise _unresolved(f"file {name!r:.300}: there is no directory of secrets here", "file")
        if (path := _inside(root, name)) is None:
            raise _unresolved(f"file {name!r:.300} is not below the directory of secrets, {root}", "file")
        own = root.resolve() / OWN
        if path == own or (own in path.parents and path != own / "certificate.pem"):
            raise _unresolved(f"file {name!r:.300} is of the plant's own authority: only its certificate.pem", "file")
        return path

    def _of_file(self, name: str) -> str:
        path = self._secret_path(name)
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise _unresolved(f"file {name!r:.300} cannot be read: {type(error).__name__}", "file") from None

    def _matching(self, pattern: str) -> list[Path]:
        root = self._logs
        if root is None:
            raise _outside(pattern, "there is no directory of logs here")
        base, full = root.absolute(), root.parent.absolute() / pattern
        if ".." in full.parts or base not in full.parents:
            raise _outside(pattern, f"logs lie below {root}")
        found = sorted(base.glob(str(full.relative_to(base)))) if set(pattern) & set("*?[") else [full]
        if any(_inside(root, str(path)) is None for path in found):
            raise _outside(pattern, f"it leads out of {root}")
        found = [path for path in found if path.is_file()]
        if not found:
            raise InvalidInput(f"{pattern!r:.300} names no file; give a path, or a pattern like logs/*.shdr.gz")
        return found


def in_header(told: str) -> str:
    """A secret, or what has one in it, for a header of HTTP: libraries tell the whole of one that cannot be sent.

    Raises InvalidDocument, which does not tell it.
    """
    if not told.isascii() or not told.isprintable() or told != told.strip():
        raise _unresolved(
            "it has a line break, a blank at its beginning or end, or a character that is not ASCII, so no header can "
            "have it; write it anew where it is kept",
            "secret",
        )
    return told


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise InvalidInput(
            f"webhook_networks: {text!r:.60} is no network; write it like 10.1.0.0/16, or 10.1.2.3 for one machine"
        ) from None


def _unwrapped(address: Address) -> Address:
    """The IPv4 address inside one of IPv6 that only carries it (mapped, 6to4, NAT64: RFC 4291, 3056, 6052)."""
    if isinstance(address, ipaddress.IPv6Address):
        if inside := address.ipv4_mapped or address.sixtofour:
            return inside
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _inside(root: Path, name: str) -> Path | None:
    """The file `name` (relative to `root`) with all links followed; None when it is not below `root`."""
    try:
        home = root.resolve()
        path = (root.absolute() / name).resolve()
    except (OSError, ValueError, RuntimeError):  # a zero byte, a circle of links
        return None
    return path if home in path.parents else None


def _of_environment(name: str) -> str:
    if not name.startswith(VARIABLES):
        raise _unresolved(
            f"environment variable {name:.100} is not for connectors: its name must begin with {VARIABLES}", "env"
        )
    if (value := os.environ.get(name)) is None:
        raise _unresolved(f"environment variable {name:.100} is not set", "env")
    return value


def _of_keyring(name: str) -> str:
    service, _, user = name.rpartition("/")
    if not service.startswith(SERVICES):
        raise _unresolved(
            f"keyring {name!r:.200} is not for connectors: write service/user; the service begins with {SERVICES}",
            "keyring",
        )
    try:
        import keyring
    except ModuleNotFoundError as error:
        raise MissingExtra("secrets in a keyring need the package: pip install 'gemel[keyring]'") from error
    value = keyring.get_password(service, user)
    if value is None:
        raise _unresolved(f"the keyring holds nothing for {name:.200}; write it as service/user", "keyring")
    return value


def _unresolved(message: str, field: str) -> InvalidDocument:
    return InvalidDocument("secret", [Problem(message, field=field)])


def _outside(pattern: str, why: str) -> InvalidDocument:
    return InvalidDocument(
        "log", [Problem(f"{pattern!r:.300} is not a log of this platform: {why}", field="settings.files")]
    )
