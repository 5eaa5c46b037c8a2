"""What an exchange is: with which system, what kind of thing, which fields are whose, and how it travels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec

from gemel.connectors.base import SecretRef
from gemel.errors import GemelError, InvalidDocument, Problem
from gemel.services.work.order import Cause, Maintenance, Outcome, ReworkCause, WorkState
from gemel.twin import check_id
from gemel.twin.check import secret_problems
from gemel.twin.structure import build
from gemel.twin.yaml import parse_yaml, places

__all__ = ["ORDERS", "RECORD_KINDS", "Auth", "Exchange", "FieldMap", "Owner", "Pull", "Push", "parse_exchanges"]

Owner = Literal["theirs", "ours", "both"]
"""Who may change a field: what the other one changed of it is not taken over. Both: whoever did; if both did, a person
says whose it is."""
TimeForm = str
"""`rfc3339`, `s` or `ms` since 1970, or a pattern as strptime has them, like %Y%m%d."""
ORDERS = "work_orders"
RECORD_KINDS = {
    "orders": "order",
    "offers": "offer",
    "invoices": "invoice",
    "materials": "material",
    "accounts": "account",
    "cases": "case",
    "requests": "request",
}
"""What is no work order is a record of the thread, of this kind; other words are kinds themselves."""
WORDS = {
    "state": tuple(WorkState),
    "maintenance": tuple(Maintenance),
    "rework": tuple(ReworkCause),
    "visit.outcome": tuple(Outcome),
    "visit.cause": tuple(Cause),
}
"""Fields that are one of these words; `values` says which of theirs is which."""
MOMENTS = ("start", "end", "visit.start", "visit.end")
LISTS = ("skills", "tools", "parts")
_OF_ORDERS = (
    *("external", "title", "what", "twin", "item", "job", "maintenance", "start", "end", "party", "state"),
    *("skills", "tools", "parts", "repairs", "rework"),
    *("visit.key", "visit.who", "visit.start", "visit.end", "visit.outcome", "visit.cause"),
)
_OF_RECORDS = ("external", "title", "revision", "url", "twin", "item", "part")
_PATH = re.compile(r"[^\x00-\x1f]{1,200}")


class FieldMap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One of our fields as the other system has it."""

    field: str = msgspec.field(default="", name="from")
    """Where theirs is in what they tell, with dots: `header.status`, or the name of a column."""
    to: str = ""
    """Where it goes in what they are told; empty: as `from`."""
    values: dict[str, str] = {}
    """Theirs → ours. What is not in it cannot be taken in; the first of ours is what they are told."""
    default: str = ""
    """Ours, where they tell nothing."""
    time: TimeForm = "rfc3339"
    time_zone: str = "UTC"
    """Of moments without an offset."""
    look_up: Literal["", "id", "serial"] = ""
    """Of twin and item: theirs is a serial number."""
    separator: str = ","
    """Of lists that are one text."""
    owner: Owner | None = None
    """None: the owner of the exchange."""
    required: bool = False

    @property
    def outward(self) -> str:
        return self.to or self.field


class Auth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How we are known there: a header with a secret, or user and secret (Basic)."""

    secret: SecretRef
    header: str = "Authorization"
    prefix: str = "Bearer "
    user: str = ""


class Pull(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How it comes: from files below inbox/, or by asking an address."""

    folder: str = ""
    """inbox/…: .csv, .xlsx, .json (a list, or `items` in it) and .jsonl. What was taken goes to `done/` in it."""
    sheet: str = ""
    url: str = ""
    items: str = ""
    """Where the list is in an answer, with dots; empty: it is the answer."""
    next: str = ""
    """Where an answer says the address, or the token, of its next page."""
    page_parameter: str = ""
    """The parameter that a token goes into; empty: `next` is an address."""
    since_parameter: str = ""
    """The parameter that says from where on: what the last answer had at `cursor`, else the newest `version` seen."""
    cursor: str = ""
    delimiter: str = ""
    """Of CSV; empty: found out."""


class Push(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How it goes: into files below outbox/, or to an address."""

    folder: str = ""
    """outbox/…"""
    form: Literal["json", "csv"] = "json"
    url: str = ""
    """Of a new one, by POST."""
    update_url: str = ""
    """Of one that they know: https://…/{external}. Empty: `url`."""
    update_method: Literal["PATCH", "PUT", "POST"] = "PATCH"
    id: str = "id"
    """Where the answer to a new one says its id."""
    new: bool = False
    """What is made here, and not theirs yet, is made there, too."""


class Exchange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One kind of thing, with one other system."""

    id: str
    system: str
    """The other system, by whose name and id of a thing it is known here."""
    kind: str = ORDERS
    """work_orders, orders, offers, invoices, materials, accounts, cases, requests, or another kind of record."""
    title: str = ""
    fields: dict[str, str | FieldMap]
    """Ours → theirs. `external` is their id of the thing; of records, `attributes.NAME` takes anything else."""
    version: str = ""
    """Where they tell a version or time of change of a thing: an older one is late, and not taken over."""
    owner: Owner = "theirs"
    pull: Pull | None = None
    push: Push | None = None
    plugin: str = ""
    """Instead of folders and addresses: the way of a plug-in (entry-point group `gemel.exchanges`)."""
    settings: dict[str, Any] = {}
    """What the plug-in wants to be told; secrets are references."""
    auth: Auth | None = None
    ca: str = ""
    """PEM file, below the directory of secrets, of who signed their certificate."""
    every_s: float = 300.0
    """How often, by itself; 0: only when somebody asks for it."""
    timeout_s: float = 30.0

    @property
    def maps(self) -> dict[str, FieldMap]:
        """Of every field."""
        return {name: FieldMap(field=one) if isinstance(one, str) else one for name, one in self.fields.items()}

    @property
    def record_kind(self) -> str:
        """Of records; empty for work orders."""
        return "" if self.kind == ORDERS else RECORD_KINDS.get(self.kind, self.kind)

    def owned(self, name: str) -> Owner:
        """Whose a field is."""
        one = self.fields[name]
        return (one.owner if isinstance(one, FieldMap) else None) or self.owner


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    exchanges: tuple[Exchange, ...]


def parse_exchanges(text: str, name: str = "exchanges") -> tuple[Exchange, ...]:
    """From YAML or JSON: `exchanges: [...]`. Raises InvalidDocument with every fault, its line and its field."""
    document, faults = build(parse_yaml(text, name), _Document)
    if document is not None:
        faults = [(one, False) for one in _problems(document.exchanges)]
    if document is None or faults:
        where = places(text, name)
        told = [Problem(one.message, one.field, *where.locate(one.field, key=key)) for one, key in faults]
        raise InvalidDocument(name, told)
    return document.exchanges


def _problems(exchanges: tuple[Exchange, ...]) -> Iterator[Problem]:
    seen: set[str] = set()
    for i, one in enumerate(exchanges):
        at = f"exchanges[{i}]"
        if one.id in seen:
            yield Problem(f"{one.id} is there twice", f"{at}.id")
        seen.add(one.id)
        for field, message in _faults(one):
            yield Problem(message, f"{at}.{field}")


def _faults(one: Exchange) -> Iterator[tuple[str, str]]:
    for name in ("id", "system"):
        try:
            check_id(getattr(one, name), name)
        except GemelError as error:
            yield name, error.detail
    if not re.fullmatch(r"[a-z][a-z_-]{0,40}", one.kind):
        yield "kind", f"{one.kind!r:.60} is no kind; write it like work_orders or invoices"
    if one.pull is None and one.push is None:
        yield "pull", "say how it comes (pull), or how it goes (push), or both"
    if not 0 <= one.every_s <= 7 * 86_400 or not 0.1 <= one.timeout_s <= 300:
        yield "every_s", "every_s is 0 to a week, timeout_s 0.1 to 300"
    if "external" not in one.fields:
        yield "fields", "`external` is missing: where their id of a thing is"
    for name, told in one.maps.items():
        yield from ((f"fields.{name}", message) for message in _field(one, name, told))
    if one.plugin:
        yield from _by_plugin(one)
        return
    if one.settings:
        yield "settings", "these are for a plug-in; name it: plugin"
    if one.pull is not None:
        if bool(one.pull.folder) == bool(one.pull.url):
            yield "pull", "it comes from a folder or from a url"
        yield from _way("pull", one.pull.folder, "inbox/", one.pull.url)
    if one.push is not None:
        if bool(one.push.folder) == bool(one.push.url or one.push.update_url):
            yield "push", "it goes into a folder or to a url"
        yield from _way("push", one.push.folder, "outbox/", one.push.url)
        yield from _way("push", "", "outbox/", one.push.update_url)
        if one.push.new and not (one.push.url or one.push.folder):
            yield "push.url", "what is new there needs a url"


def _by_plugin(one: Exchange) -> Iterator[tuple[str, str]]:
    told = [("pull.folder", one.pull.folder), ("pull.url", one.pull.url)] if one.pull else []
    told += [("push.folder", one.push.folder), ("push.url", one.push.url)] if one.push else []
    for field, value in told:
        if value:
            yield field, f"the plug-in {one.plugin:.60} is the way; leave it out: pull: {{}}, push: {{new: true}}"
    for problem in secret_problems(one.settings, "settings"):
        yield problem.field, problem.message


def _field(one: Exchange, name: str, told: FieldMap) -> Iterator[str]:
    known = _OF_ORDERS if one.kind == ORDERS else _OF_RECORDS
    if name not in known and not (one.kind != ORDERS and re.fullmatch(r"attributes\.[A-Za-z0-9_]{1,64}", name)):
        more = "" if one.kind == ORDERS else ", attributes.NAME"
        yield f"there is no field {name!r:.60}; there are {', '.join(known)}{more}"
        return
    if not told.field and not told.to and not told.default:
        yield "say where theirs is (from), where it goes (to), or a default"
    for path in (told.field, told.to):
        if path and not _PATH.fullmatch(path):
            yield f"{path!r:.60} is no name of a field"
    if name in WORDS:
        wrong = [word for word in (*told.values.values(), told.default) if word and word not in WORDS[name]]
        if wrong:
            yield f"{wrong[0]!r:.60} is none of {', '.join(WORDS[name])}"
    if told.look_up and name not in ("twin", "item"):
        yield "look_up is for twin and item"
    try:
        ZoneInfo(told.time_zone)
    except (KeyError, ValueError, OSError):
        yield f"there is no time zone {told.time_zone!r:.60}; write it like Europe/Berlin"


def _way(side: str, folder: str, root: str, url: str) -> Iterator[tuple[str, str]]:
    if folder and (not folder.startswith(root) or ".." in folder.split("/") or "\\" in folder):
        yield f"{side}.folder", f"{folder!r:.80} is not below {root}; write it like {root}erp"
    if url:
        try:
            parts = urlsplit(url)
            fine = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.username
        except ValueError:
            fine = False
        if not fine or not url.isascii():
            yield (
                f"{side}.url",
                f"{url!r:.80} is not allowed; write it like https://erp.example.com/orders, no password",
            )
