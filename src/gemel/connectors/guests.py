"""Who may connect to an endpoint of ours, and what of which twin it may tell and hear; the gate decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from gemel.access import Action, Principal, Resource, ResourceKind
from gemel.errors import Unauthenticated

if TYPE_CHECKING:
    from gemel.access import Gate
    from gemel.registry import Directory

__all__ = ["ANYBODY", "Guest", "Guests", "Identity"]

_DEVICE = "Device"
_PLATFORM = Resource(ResourceKind.PLATFORM)


class Guest(msgspec.Struct, frozen=True):
    """Somebody at an endpoint. `principal`: None where an endpoint lets in anybody."""

    principal: Principal | None = None

    @property
    def id(self) -> str:
        return "" if self.principal is None else self.principal.id

    @property
    def device(self) -> str:
        """The device's own id; empty for others."""
        return self.id.removeprefix("device:") if self.principal and self.principal.kind == _DEVICE else ""


ANYBODY = Guest()


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who an endpoint of ours is, as PEM."""

    chain: str
    key: str
    authority: str
    """The certificate of the plant's authority: who signed those of devices."""


class Guests:
    """What endpoints ask the gate. Quick: nothing here waits for a disk. Without a gate nobody is let in."""

    def __init__(self, gate: Gate | None = None, directory: Directory | None = None) -> None:
        self._gate, self._directory = gate, directory

    def enter(self, name: str, secret: str, *, certificate: bytes | None = None, address: str = "") -> Guest:
        """The device of this certificate, or of this name and secret, or whose API token the secret is.

        Raises Unauthenticated, and Overloaded after repeated failures from one address.
        """
        gate = self._gate
        if gate is None:
            raise Unauthenticated("nobody can sign in here: there is no register of devices")
        if certificate and (found := gate.devices.of_certificate(certificate)) is not None:
            return Guest(found)
        if secret:
            try:
                return Guest(gate.tokens.principal(secret))
            except Unauthenticated:
                known = gate.devices.authenticate(name, secret, address=address)
                if known is not None:
                    return Guest(known)
        raise Unauthenticated(
            "sign in with a device's id and secret, with its certificate, or with an API token as the password"
        )

    def identity(self, names: Sequence[str]) -> Identity:
        """A new certificate of an endpoint for these names, from the plant's authority. Blocks. Raises Conflict where
        there is no folder of secrets, or the authority's own certificate has ended."""
        if self._gate is None:
            raise Unauthenticated("nobody can sign in here: there is no register of devices")
        authority = self._gate.devices.certificates.authority
        chain, key = authority.server(names)
        return Identity(chain=chain, key=key, authority=authority.certificate)

    def remains(self, guest: Guest, now: int) -> bool:
        """Whether what it signed in with is still good."""
        who, gate = guest.principal, self._gate
        if who is None or gate is None:
            return True
        if who.expires is not None and who.expires <= now:
            return False
        if who.kind == "Token":
            try:
                gate.tokens.alive(who.id)
            except Unauthenticated:
                return False
        return True

    def on_revoked(self, call: Callable[[str], None]) -> Callable[[], None]:
        """Call with the id of a device whose credentials end, on any thread; returns what ends that."""
        if self._gate is None:
            return lambda: None
        waiting = self._gate.devices.on_revoked
        waiting.append(call)
        return lambda: waiting.remove(call)

    def seen(self, guest: Guest, now: int) -> None:
        """The device told something."""
        if self._gate is not None and guest.principal is not None and guest.device:
            self._gate.devices.seen(guest.principal, now)

    def pause_s(self, guest: Guest) -> float:
        """It sent one more message; so many seconds no other is to be taken, because its party is too fast."""
        return 0.0 if self._gate is None or guest.principal is None else self._gate.pace.owe(guest.principal)

    def may_tell(self, guest: Guest, twin: str) -> bool:
        """Whether it may report values and events of a twin (id or alias)."""
        return self._allows(guest, Action.WRITE, twin)

    def may_hear(self, guest: Guest, twin: str) -> bool:
        """Whether it may read the values of a twin."""
        return self._allows(guest, Action.READ, twin)

    def id_of(self, twin: str) -> str:
        """The id of a twin that is named by its id or an alias; the name itself when there is none such."""
        entry = self._directory.twin(twin) if self._directory is not None else None
        return twin if entry is None else entry.id

    def may_pass_on(self, guest: Guest) -> bool:
        """Whether it may send to other clients what is of no twin: devices, and whoever may operate."""
        who, gate = guest.principal, self._gate
        return who is None or bool(guest.device) or (gate is not None and gate.allows(who, Action.WRITE, _PLATFORM))

    def _allows(self, guest: Guest, action: Action, twin: str) -> bool:
        who, gate = guest.principal, self._gate
        if who is None:
            return True
        entry = self._directory.twin(twin) if self._directory is not None else None
        if gate is None or (entry is None and guest.device):
            return False
        resource = Resource(ResourceKind.TWIN, entry.id) if entry else Resource(ResourceKind.TWIN, twin)
        return gate.allows(who, action, resource)
