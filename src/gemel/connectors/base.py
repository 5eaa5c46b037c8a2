"""What a connector is: a source that reads an object, or a sink that carries what happened to elsewhere; the port it
has, and how plug-ins are found.

A plug-in is a class, registered under its kind in the entry-point group `gemel.connectors`:

    class Press:
        class Settings(gemel.connectors.Settings): ...       # a frozen msgspec struct: what `settings:` may say
        def __init__(self, settings, bindings): ...
        async def run(self, port): ...                        # a Source

The supervisor runs it, restarts it, and shows its health; the plug-in only speaks its protocol. A plug-in of another
distribution is code that runs as the server: none is loaded before the operator names its distribution in `gemel.yaml`.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast, runtime_checkable

import msgspec

from gemel import plugins
from gemel.clock import Clock
from gemel.errors import InvalidDocument, InvalidInput, MissingExtra, PluginFailed, Problem, UnknownConnector
from gemel.twin import Binding, Change, ConnectorSpec, Kind

if TYPE_CHECKING:
    import pyarrow as pa

    from gemel.commands import Errand, Outcome, Tell
    from gemel.connectors.guests import Guests
    from gemel.connectors.members import Member
    from gemel.history import Fact
    from gemel.intake import Message, Receipt
    from gemel.state import Now

__all__ = [
    "Actuator",
    "Backoff",
    "NotWanted",
    "Outlet",
    "Plugin",
    "Port",
    "SecretRef",
    "Settings",
    "Sink",
    "Source",
    "Undelivered",
    "Unsent",
    "build",
    "check",
    "kinds",
    "plugin",
    "settings_of",
]


class Backoff(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long to wait before trying again: initial_s · factor^n, at most maximum_s, ± jitter (a share of it)."""

    initial_s: float = 0.5
    maximum_s: float = 30.0
    factor: float = 2.0
    jitter: float = 0.25

    def __post_init__(self) -> None:
        if not (0 < self.initial_s <= self.maximum_s and self.factor >= 1 and 0 <= self.jitter < 1):
            raise ValueError("back-off needs 0 < initial_s <= maximum_s, factor >= 1 and 0 <= jitter < 1")

    def delays(self, rng: random.Random | None = None) -> Iterator[float]:
        """Endless waits in seconds; start anew after a success."""
        uniform = (rng or random.Random()).uniform
        delay = self.initial_s
        while True:
            yield delay * (1 + uniform(-self.jitter, self.jitter))
            delay = min(delay * self.factor, self.maximum_s)


class SecretRef(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where a secret is, never the secret: {env: NAME}, {file: name} or {keyring: service/user}.

    What of it can be reached, and what not, see `gemel.connectors.reach`.
    """

    env: str = ""
    file: str = ""
    keyring: str = ""

    def __post_init__(self) -> None:
        if sum(map(bool, (self.env, self.file, self.keyring))) != 1:
            raise ValueError("a secret is a reference: {env: NAME}, {file: name} or {keyring: service/user}")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every connector's `settings:` may say; a plug-in's own Settings inherits from it."""

    backoff: Backoff = Backoff()


class Port(Protocol):
    """What the supervisor gives to a source. All methods are called on the source's event loop; none blocks it."""

    clock: Clock
    spec: ConnectorSpec

    async def deliver(self, messages: Sequence[Message], *, resumed: bool = False) -> Receipt:
        """Hand over what the object said, in order, and return when it is durable (after fsync).

        Calls that overlap keep their order. While the intake is overloaded it waits and tries again, and a bounded
        number of messages waits with it: a source that awaits it is slowed down, nothing is dropped. `resumed`: these
        may repeat what an earlier connection brought, so equal readings have no second effect.
        """

    async def deliver_frame(self, batch: pa.RecordBatch, *, identity: tuple[str, int] | None = None) -> Receipt:
        """The same for columns twin, property, time, value[, quality]; in order with `deliver`.

        `identity`: epoch and sequence, as a message has them. Raises InvalidInput for other columns.
        """

    async def reached(self, epoch: str) -> int | None:
        """The highest sequence of this epoch that we have on stable storage, of this run or an earlier one."""

    def connected(self, detail: str = "") -> bool:
        """The transport is up. Journals `source.found` after a loss; returns whether there was an earlier connection
        since this connector was started (then what comes first is `resumed`)."""

    def heartbeat(self) -> None:
        """The object confirmed that it is there: all values it brought are as they were."""

    def lost(self, reason: str) -> None:
        """The transport is up but its object is not (an adapter whose machine is off). Raise to be restarted."""

    def note(self, detail: str) -> None:
        """Something for a person to see in health: what the object says of itself."""

    def reject(
        self, reason: str, raw: bytes | str, *, address: str = "", source: str = "", message: Message | None = None
    ) -> None:
        """Something came that cannot be read; it is counted by reason, shown in health with the latest sample.

        `source`: whose it is in the quarantine, when that is a guest with a name of its own (a device). `message`: what
        it means, where only the right to say it is missing: then it is held so that it can be replayed.
        """

    async def kept(self) -> None:
        """Return when what was rejected so far is on stable storage; before it is acknowledged to its sender."""

    def unbound(self, address: str, count: int = 1) -> None:
        """Something came that no binding names; aggregated per address: "no binding for item X"."""

    def kind(self, twin: str, property: str) -> Kind | None:
        """What the property is declared to be; None when the registry knows none such (yet)."""

    @property
    def revision(self) -> int:
        """Rises whenever the answers of `kind` may have changed."""

    def permits(self, address: str, *, encrypted: bool) -> bool:
        """Whether this machine may be made to talk to an IP address; for what carries orders to addresses of its
        bindings."""

    def secret(self, ref: SecretRef) -> str:
        """What a reference names. Raises InvalidDocument that names the reference, never the secret."""

    def file(self, name: str) -> Path:
        """A certificate or key below the platform's secrets, by its name there; a source opens no others.

        Raises InvalidDocument that names it.
        """

    def place(self, name: str) -> Path:
        """The same for what may have to be made, or is a folder."""

    @property
    def guests(self) -> Guests:
        """Who may connect to an endpoint, and what of which twin it may tell and hear."""

    def member(self, name: str) -> Member:
        """One of several objects behind this connector, whose connection comes and goes by itself."""

    def present(self, twin: str) -> dict[str, Now]:
        """The values of a twin as they are now, by property; empty when there is no such twin."""

    def twins(self) -> list[str]:
        """Ids of all twins."""

    def logs(self, patterns: Sequence[str]) -> list[Path]:
        """Files below the platform's `logs/`, by path or pattern relative to its folder; a source opens no others.

        Raises InvalidDocument for what lies elsewhere, InvalidInput for what names no file. Blocks; use a thread.
        """

    def inbox(self, name: str) -> Path:
        """What `name` is below the platform's `inbox/` (it may not be there yet), relative to its folder.

        Raises InvalidDocument for what lies elsewhere.
        """


class Source(Protocol):
    """Reads one object (or one broker, agent, server) until cancelled."""

    async def run(self, port: Port) -> None:
        """Connect, deliver, and return only when there is nothing more to come (a log has ended).

        Called again, on the same object, after it raised: what it remembers (a sequence number) is still
        there. Raise anything to be restarted with back-off; a lost connection is an exception, not a return. On
        CancelledError close sockets and raise it on. Each source has an event loop of its own: one that blocks it
        blocks no other.
        """


@runtime_checkable
class Actuator(Protocol):
    """A source that also carries orders to its object, by its bindings with direction out or both."""

    async def act(self, errand: Errand, tell: Tell) -> Outcome:
        """Carry out one errand, once, now; return what became of it.

        Called on the source's event loop while it says that it is connected, also several at a time: those of one twin
        in the order in which they begin. What comes after `errand.expires` is cut off. Before the answer, `tell`
        (with the order's id) says LEFT when what follows may follow, and DELIVERED or ACKNOWLEDGED when that is known.
        Raise Unsent only if nothing can have left. Whatever else is raised means that nobody knows.
        """


class Unsent(Exception):
    """Nothing of an errand has left; raised by an actuator."""


class Outlet(Protocol):
    """What the supervisor gives to a sink."""

    clock: Clock
    spec: ConnectorSpec

    def secret(self, ref: SecretRef) -> str:
        """What a reference names. Raises InvalidDocument that names the reference, never the secret."""

    def file(self, name: str) -> Path:
        """A file below the directory of secrets (a certificate), by its name there. Raises InvalidDocument."""

    def permits(self, address: str, *, encrypted: bool) -> bool:
        """Whether this machine may be made to talk to an IP address; ask for the one that is connected to."""


class NotWanted(Exception):
    """The other side wants no more, ever; raised by a sink. The text says how it told."""


class Undelivered(Exception):
    """The other side did not take it; raised by a sink. Worth another try, not before `retry_after_s`."""

    def __init__(self, reason: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


@runtime_checkable
class Sink(Protocol):
    """Carries what was journaled to elsewhere. The supervisor follows the journal for it: in order, one at a time,
    from a cursor that is durable, so everything it wants is sent at least once, and again after a crash or a failure.
    """

    give_up_s: float
    """What could not be delivered for so long is journaled as `delivery.abandoned`, and passed over."""
    hears_conditions: bool
    """Whether `wants` is also asked about `condition.changed`: made of the history, for they are values."""

    def wants(self, change: Change) -> bool:
        """Whether this is to be sent; called for every change."""

    async def send(self, fact: Fact, outlet: Outlet) -> None:
        """Hand over one fact; return when the other side has it. `fact.position` is its identity for ever.

        Raise NotWanted to be disabled, Undelivered or anything else to be asked again with back-off.
        """

    async def close(self) -> None:
        """Let connections go; `send` may be called again afterwards."""


class Plugin(Protocol):
    """The class behind a kind."""

    Settings: ClassVar[type[Any]]

    def __call__(self, settings: Any, bindings: Sequence[Binding]) -> Source | Sink:
        """A source or sink for checked settings; opens nothing yet. Raises InvalidInput for bindings it cannot serve,
        best an InvalidDocument that names each: `bindings[3].address`."""


def kinds(named: Collection[str] = ()) -> list[str]:
    """Kinds of connectors that may be used: our own, and those of the distributions that are `named`."""
    return plugins.names(plugins.CONNECTORS, named)


def plugin(kind: str, named: Collection[str] = ()) -> Plugin:
    """The class registered for `kind`, by us or by one of the distributions that are `named`.

    Raises UnknownConnector, also for a kind of another distribution (nothing of it is loaded), MissingExtra when what
    it needs is not installed, PluginFailed when its code cannot be loaded.
    """
    return cast("Plugin", plugins.load(plugins.CONNECTORS, kind, named, unknown=UnknownConnector))


def settings_of(spec: ConnectorSpec, kind: Plugin | None = None) -> Any:
    """`spec.settings` as the plug-in's Settings. Raises InvalidDocument naming the field."""
    return plugins.settings_for(kind or plugin(spec.kind), spec.settings, f"connector {spec.id}")


def check(spec: ConnectorSpec, named: Collection[str] = ()) -> list[Problem]:
    """What stands against running `spec`: a kind that is not installed or not `named` (see `plugin`), settings or
    bindings that it does not take.

    Those of a kind whose package is not installed here cannot be judged, and pass.
    """
    try:
        build(spec, named)
    except (UnknownConnector, PluginFailed) as error:
        return [Problem(error.detail, field="kind")]
    except InvalidDocument as error:
        return error.problems
    except InvalidInput as error:
        return [Problem(error.detail, field="bindings")]
    except MissingExtra:
        pass
    except Exception as error:  # a plug-in's constructor may raise anything
        return [Problem(f"its plug-in raises {type(error).__name__}: {error!s:.300}", field="settings")]
    return []


def build(spec: ConnectorSpec, named: Collection[str] = ()) -> tuple[Source | Sink, Any]:
    """A source or sink for `spec`, and its settings. Raises UnknownConnector, MissingExtra,
    PluginFailed, InvalidInput."""
    kind = plugin(spec.kind, named)
    settings = settings_of(spec, kind)
    return kind(settings, spec.bindings), settings
