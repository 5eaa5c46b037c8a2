"""What the operator of a plant chose: `gemel.yaml` in its folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from gemel.access import Role
from gemel.configuration import UsageRule
from gemel.connectors import SecretRef
from gemel.disk import refusals
from gemel.errors import InvalidDocument, InvalidInput, Problem
from gemel.twin import FOREVER, Retention, parse_duration
from gemel.twin.structure import build
from gemel.twin.yaml import parse_yaml

__all__ = [
    "BackupSettings",
    "DiskSettings",
    "EdgeSelect",
    "EdgeSettings",
    "PeerSettings",
    "RetentionSettings",
    "Settings",
    "SignInSettings",
    "WitnessSettings",
    "parse_size",
    "read_settings",
]


class RetentionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is dropped when. A twin type, or one of its properties, may say otherwise for raw and minutes."""

    journal: str = "7d"
    """How long the journal keeps readings that the history has too: 7d, 12h, forever. Its proof stays for ever."""
    raw: str = FOREVER
    """How long the history keeps every reading: 90d, 2y, forever. Sums per hour stay for ever."""
    minutes: str = FOREVER
    """How long the history keeps sums per minute."""

    @property
    def history(self) -> Retention:
        return Retention(raw=self.raw, minutes=self.minutes)


class DiskSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much room the platform may take, and what happens before there is none."""

    budget: str = ""
    """For the whole folder: 200GB, 500MB, or 80% of the disk. Empty: as much as the disk has."""
    types: dict[str, str] = {}
    """For the history of the twins of one type: type id → 20GB, or 10% of the disk."""
    warn_days: float = 14.0
    """Warn when the room lasts for fewer days at the present growth."""
    over: Literal["warn", "drop", "refuse"] = "warn"
    """Over budget: only warn, drop the oldest raw readings (never what is held), or refuse new ones."""


class BackupSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where backups go to, and how often."""

    to: str = ""
    """A folder outside of the plant's, best on another disk. Empty: no backups by themselves."""
    every: str = "24h"
    """30m, 24h, 7d; forever: only on demand."""
    keep: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 14
    """So many backups stay, the newest ones."""
    follow: bool = False
    """Also keep a log of every commit after a backup, so that any moment can be restored (SQLite only)."""
    follow_every_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 5.0
    """How often that log is written: so much may be lost with the plant's own disk."""
    secrets: bool = False
    """Whether the folder `secrets/` (keys of its own certificate authority) goes into backups."""


class SignInSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another system by which people sign in (OpenID Connect), and what of its claims makes which role and party."""

    issuer: str = ""
    """Its address, https://…; empty: people sign in here alone."""
    client_id: str = ""
    client_secret: SecretRef | None = None
    """A reference; none for a client without one (PKCE is used in any case)."""
    name: str = "another system"
    """What the button to sign in says."""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    name_claim: str = "name"
    role_claim: str = "groups"
    roles: dict[str, Literal["viewer", "operator", "engineer", "administrator"]] = {}
    """Value of the role claim → role here; of several the highest."""
    default_role: Literal["", "viewer", "operator", "engineer", "administrator"] = ""
    """Of who has none of these; empty: nothing but what is granted."""
    party_claim: str = ""
    """The claim that says somebody's organisation; empty: everybody is of the operating one."""
    parties: dict[str, str] = {}
    """Value of the party claim → party here."""
    own_values: tuple[str, ...] = ()
    """Values of the party claim that mean the operating organisation; who has neither is not let in."""

    def __post_init__(self) -> None:
        local = self.issuer.startswith(("http://127.0.0.1", "http://localhost", "http://[::1]"))
        if self.issuer and not (self.issuer.startswith("https://") or local):
            raise ValueError(f"the issuer {self.issuer:.100} is not reached by https")
        if self.issuer and not self.client_id:
            raise ValueError("sign_in needs a client_id, which the provider gives")

    @property
    def role(self) -> Role | None:
        return Role(self.default_role) if self.default_role else None

    @property
    def own(self) -> set[str]:
        return set(self.own_values)


class EdgeSelect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of an edge node goes upstream; all of it unless it says otherwise. The platform's own twins never do."""

    twins: tuple[str, ...] = ()
    """Ids; empty: all."""
    types: tuple[str, ...] = ()
    """Only twins of one of these types; empty: of any."""
    properties: tuple[str, ...] | None = None
    """Names; null: all."""
    events: bool = True
    """Events, too."""


class EdgeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another Gemel, upstream, to which this one hands on what it journals."""

    url: str = ""
    """Its address, https://…; empty: this is no edge node."""
    name: str = "edge"
    """As whom it speaks there: the source is `http:<token>/<name>`."""
    token: SecretRef | None = None
    """A reference to a token of the plant upstream that may `write`; with `configure` it also declares types."""
    certificate: str = ""
    """A certificate (PEM, below secrets/) to trust instead of the usual authorities."""
    select: EdgeSelect = EdgeSelect()
    """What is handed on."""
    offer: bool = True
    """Declare types and twins upstream that it does not know."""
    keep: str = FOREVER
    """How long what is not upstream yet is kept: 30d, forever. What goes before its turn is told as a gap."""

    def __post_init__(self) -> None:
        local = self.url.startswith(("http://127.0.0.1", "http://localhost", "http://[::1]"))
        if self.url and not (self.url.startswith("https://") or local):
            raise ValueError(f"the platform upstream, {self.url:.100}, is not reached by https")
        if self.url and self.token is None:
            raise ValueError(
                "edge needs a token: {file: upstream.token} below secrets/, or {env: GEMEL_SECRET_UPSTREAM}"
            )
        if re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,59}", self.name) is None:
            raise ValueError(f"the name {self.name!r:.80} is not of small letters, digits, dot, dash; write hall-3")


class PeerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another party's plant, whose heads this one countersigns."""

    key: str
    """Its public key, as `gemel witness key` prints it there; it has its name."""
    url: str = ""
    """Its address, https://…; empty: it cannot be reached from here, and hands its heads in by itself."""
    token: SecretRef | None = None
    """A reference to a token of that plant which is for the action `witness`."""
    certificate: str = ""
    """A certificate (PEM, below secrets/) to trust instead of the usual authorities."""
    offers: bool = False
    """Hand our heads in there, for it cannot reach us."""

    def __post_init__(self) -> None:
        if not self.url:
            if self.token or self.offers:
                raise ValueError("token and offers are of a peer that has a url")
            return
        if not self.url.startswith(("https://", "http://127.0.0.1", "http://localhost", "http://[::1]")):
            raise ValueError(f"the peer {self.url:.100} is not reached by https")
        if self.token is None:
            raise ValueError(f"the peer {self.url:.100} needs a token: {{env: NAME}} or {{file: name}}")


class WitnessSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Plants of other parties, which hold this one to its record, and which this one holds to theirs."""

    name: str = ""
    """As whom this plant signs: acme.example/shop. Empty: a name made of its first key."""
    every: str = "10m"
    """How often the peers are looked at."""
    peers: tuple[PeerSettings, ...] = ()


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`gemel.yaml` in the folder: what the operator of a platform may choose. All of it has a default."""

    database: str = ""
    """SQLAlchemy URL of registry and journal (`postgresql+psycopg://…`); empty: SQLite in the folder."""
    catalogue: str = ""
    """PostgreSQL URL of the history's DuckLake catalogue; empty: SQLite in the folder."""
    keyframe_every_s: float = 300.0
    """How often the state is written down, so that a restart need not read the journal from its start."""
    history_every_s: float = 5.0
    """How often what is new is written as Parquet; queries see it at once, programs outside when it is written."""
    webhook_networks: tuple[str, ...] = ()
    """Networks that are not public and that webhooks may be sent to all the same: 10.1.0.0/16, 127.0.0.1."""
    usage: tuple[UsageRule, ...] = ()
    """How the use of machines is metered: what a property of their twins tells, counts for all that is in them."""
    plugins: tuple[str, ...] = ()
    """Distributions whose plug-ins may be run: acme-press. Their code runs as the server, so none is by default."""
    retention: RetentionSettings = RetentionSettings()
    """What is dropped when."""
    disk: DiskSettings = DiskSettings()
    """How much room the platform may take."""
    backup: BackupSettings = BackupSettings()
    """Where backups go to, and how often."""
    party_requests_per_s: float = 100.0
    """How many requests and messages all people and programs of one other organisation may send in a second; 0: any."""
    sign_in: SignInSettings = SignInSettings()
    """Another system by which people sign in."""
    edge: EdgeSettings = EdgeSettings()
    """Another Gemel that gets what this one journals."""
    witness: WitnessSettings = WitnessSettings()
    """Plants of other parties that countersign this one's record."""


def read_settings(path: Path) -> Settings:
    """Those of a file; where there is none, what holds by default. Raises InvalidDocument with line and column."""
    if not path.exists():
        return Settings()
    with refusals(f"{path}"):
        text = path.read_text()
    built, problems = build(parse_yaml(text, str(path)) or {}, Settings)
    if built is None or problems:
        raise InvalidDocument(str(path), [problem for problem, _ in problems])
    if wrong := _faults(built):
        raise InvalidDocument(str(path), wrong)
    return built


def parse_size(text: str, whole: int) -> int | None:
    """Bytes of `500MB`, `20GB`, `2TB`, or of `80%` of `whole`; None for nothing said. Raises InvalidInput."""
    if not text:
        return None
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?) ?(%|[kMGT]B)", text)
    if found is None or not float(found[1]) or (found[2] == "%" and float(found[1]) > 100):
        raise InvalidInput(f"{text!r:.40} is not a size; write 500MB, 20GB, 2TB or 80%")
    unit = whole / 100 if found[2] == "%" else 1000.0 ** (" kMGT".index(found[2][0]))
    return round(float(found[1]) * unit)


def _faults(settings: Settings) -> list[Problem]:
    retention, disk = settings.retention, settings.disk
    found = [Problem(message, f"retention.{field}") for field, message in retention.history.problems()]
    try:
        parse_duration(retention.journal)
    except InvalidInput as error:
        found.append(Problem(error.detail, "retention.journal"))
    try:
        parse_duration(settings.edge.keep)
    except InvalidInput as error:
        found.append(Problem(error.detail, "edge.keep"))
    if not (every := settings.witness.every) or every == FOREVER:
        found.append(Problem("write how often: 10m, 1h", "witness.every"))
    else:
        try:
            parse_duration(every)
        except InvalidInput as error:
            found.append(Problem(error.detail, "witness.every"))
    for field, text in (("budget", disk.budget), *((f"types.{type_id}", text) for type_id, text in disk.types.items())):
        try:
            parse_size(text, 1)
        except InvalidInput as error:
            found.append(Problem(error.detail, f"disk.{field}"))
    return found
