"""The client: the platform's verbs, each one request."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from gemel.client.access import Access
from gemel.client.backups import Backups
from gemel.client.bulletins import Bulletins, Reliances
from gemel.client.campaigns import Campaigns, Software
from gemel.client.computing import Computing
from gemel.client.devices import Devices
from gemel.client.discoveries import Discoveries
from gemel.client.effectiveness import Effectiveness
from gemel.client.entanglement import Entanglement
from gemel.client.forms import Forms
from gemel.client.items import Items
from gemel.client.lifetimes import Lifetimes
from gemel.client.offers import Capabilities, Offers, Prospects
from gemel.client.orders import Control, Goals, Orders, Transactions
from gemel.client.parts import Configurations, Parts
from gemel.client.thread import Documents, Threads
from gemel.client.transport import Transport, path_of
from gemel.client.upkeep import Sources, Translations, Upkeep
from gemel.client.values import (
    Average,
    Head,
    Me,
    Plan,
    Receipt,
    Series,
    Site,
    decode,
    link_of,
    now_of,
    reading_of,
    table_of,
    twin_of,
)
from gemel.client.witness import Witnessing
from gemel.client.work import Exchanges, Work
from gemel.clock import Moment, moment, parse_time, to_rfc3339
from gemel.errors import InvalidDocument, InvalidInput
from gemel.twin import ConnectorSpec, Link, Now, Page, Plant, Quality, Reading, Twin, TwinSpec, TwinType

if TYPE_CHECKING:
    import pyarrow as pa

    from gemel.client.live import Subscription

__all__ = ["Client"]

ARROW = "application/vnd.apache.arrow.stream"
Row = dict[str, Any]


class Client:
    """A platform at a URL. Close it, or use it in a `with`. May be used from several threads.

    Errors of the platform come as the classes of `gemel.errors`, by their code.
    """

    def __init__(
        self, url: str, *, token: str | None = None, verify: bool | str = True, timeout_s: float = 60.0
    ) -> None:
        """`verify`: False accepts any certificate, a path is that of the authority's. Does not connect yet."""
        if not url.startswith(("http://", "https://")):
            raise InvalidInput(f"{url!r:.100} is not an address; write it like http://127.0.0.1:8080")
        self._tls = _tls(verify) if url.startswith("https") else None
        self._at = Transport(url, token, tls=self._tls, timeout_s=timeout_s)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.access_again: dict[str, Any] = {"token": token, "verify": verify}
        """By which another client, or a replica, of the same platform is opened."""
        self.access = Access(self._at)
        self.backups = Backups(self._at)
        self.computation = Computing(self._at)
        self.witness = Witnessing(self._at)
        self.thread, self.documents = Threads(self._at), Documents(self._at)
        self.bulletins, self.reliances = Bulletins(self._at), Reliances(self._at)
        self.devices = Devices(self._at)
        self.effectiveness = Effectiveness(self._at)
        self.entanglement = Entanglement(self._at)
        self.discoveries = Discoveries(self._at)
        self.items = Items(self._at)
        self.lifetimes = Lifetimes(self._at)
        self.parts_book, self.configurations = Parts(self._at), Configurations(self._at)
        self.upkeep, self.translations = Upkeep(self._at), Translations(self._at)
        self.sources = Sources(self._at)
        self.orders = Orders(self._at)
        self.control = Control(self._at)
        self.software, self.campaigns = Software(self._at), Campaigns(self._at)
        self.work, self.exchanges = Work(self._at), Exchanges(self._at)
        self.offers, self.capabilities = Offers(self._at), Capabilities(self._at)
        self.forms = Forms(self._at)
        self.prospects = Prospects(self._at)
        self.command, self.set = self.orders.command, self.orders.set
        self.transactions, self.goals = Transactions(self._at), Goals(self._at)
        self.transaction, self.goal = self.transactions.ask, self.goals.ask

    def close(self) -> None:
        self._at.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # operation

    def diagnosis(self) -> Row:
        """How every part of the platform is: `level` and `checks` with their way out."""
        return self._at.get(Row, path_of("diagnosis"))

    def plugins(self) -> list[Row]:
        """What is installed besides: group, name, distribution, version, how it stands and why."""
        return self._at.get(list[Row], path_of("plugins"))

    def storage(self) -> Row:
        """What takes room, how fast it grows, for how many days it lasts."""
        return self._at.get(Row, path_of("storage"))

    def storage_due(self) -> list[Row]:
        """What retention would drop next."""
        return self._at.get(list[Row], path_of("storage", "due"))

    def holds(self) -> list[Row]:
        """Twins of which nothing is dropped or erased."""
        return self._at.get(list[Row], path_of("storage", "holds"))

    def hold(self, twin: str, reason: str) -> Row:
        """Raises UnknownTwin, Conflict (it is held already), InvalidInput (no reason)."""
        return self._at.send(Row, "POST", path_of("storage", "holds"), {"twin": twin, "reason": reason})

    def release(self, twin: str) -> None:
        """End a hold. Raises NotFound."""
        self._at.request("DELETE", path_of("storage", "holds", twin))

    def support_bundle(self) -> bytes:
        """A ZIP for who helps."""
        return self._at.request("POST", path_of("support-bundle")).content

    def preview_erasure(self, twin: str, *, parts: bool = False) -> Row:
        """What erasing would take, and the `code` that confirms it."""
        return self._at.get(Row, path_of("twins", twin, "erasure"), parts=parts)

    def erase_twin(self, twin: str, code: str, *, parts: bool = False) -> Row:
        """Erase for good. Raises Conflict (held, or not what was previewed)."""
        return self._at.send(Row, "POST", path_of("twins", twin, "erasure"), {"code": code, "parts": parts})

    def erasures(self) -> list[Row]:
        """What was erased, and by whom."""
        return self._at.get(list[Row], path_of("erasures"))

    # who and where

    @property
    def url(self) -> str:
        return self._at.url

    @property
    def position(self) -> int:
        """The greatest journal position that an answer named so far; `now(…, at_position=…)` waits for it."""
        return self._at.position

    def me(self) -> Me:
        return self._at.get(Me, path_of("me"))

    def site(self) -> Site:
        return self._at.get(Site, path_of("site"))

    # what is known

    def types(self) -> list[TwinType]:
        return list(self._pages(TwinType, "types"))

    def type(self, id: str, version: int | None = None) -> TwinType:
        return self._at.get(TwinType, path_of("types", id), version=version)

    def put_type(self, type: TwinType) -> int:
        """Create or evolve a type; returns the position."""
        self._at.send(TwinType, "PUT", path_of("types", type.id), type)
        return self._at.position

    def twins(self, q: str = "", **query: Any) -> Page[Twin]:
        """A page of twins; further parameters are those of `GET /twins` (type, serial, property, linked, roots …)."""
        page = self._at.get(Page[Row], path_of("twins"), q=q, **query)
        return Page([twin_of(view) for view in page.items], page.next)

    def twin(self, id: str) -> Twin:
        """Raises UnknownTwin."""
        return twin_of(self._at.get(Row, path_of("twins", id)))

    def design_models(self, q: str = "", **query: Any) -> set[str]:
        """Ids of those that `twins` finds and that may not be called twins yet: nothing of them was built."""
        page = self._at.get(Page[Row], path_of("twins"), q=q, **query)
        return {view["id"] for view in page.items if view["design_model"]}

    def put_twin(self, spec: TwinSpec) -> int:
        """Create the twin, or make it as declared; returns the position."""
        return self.apply(Plant(twins=(spec,))).position

    def remove_twin(self, id: str) -> None:
        """Retire it: its history stays, its id is never used again."""
        self._at.request("DELETE", path_of("twins", id))

    def links(
        self, id: str, *, kind: str | None = None, direction: str = "both", at: Moment | None = None
    ) -> list[Link]:
        page = self._at.get(Page[Row], path_of("twins", id, "links"), kind=kind, direction=direction, at=_text(at))
        return [link_of(view) for view in page.items]

    def link(self, kind: str, source: str, target: str, *, slot: str = "", since: Moment | None = None) -> Link:
        body = {"slot": slot, "since": _text(since)}
        return link_of(self._at.send(Row, "PUT", path_of("twins", source, "links", kind, target), body))

    def unlink(self, kind: str, source: str, target: str) -> None:
        self._at.request("DELETE", path_of("twins", source, "links", kind, target))

    def parts(self, id: str, *, depth: int | None = None, at: Moment | None = None) -> Row:
        """The composition tree: {id, name, types, slot, stage, parts: [...]}."""
        return self._at.get(Row, path_of("twins", id, "parts"), depth=depth, at=_text(at))

    def apply(
        self, document: Plant | Mapping[str, Any] | str | Path, *, dry_run: bool = False, prune: bool = False
    ) -> Plan:
        """Make the platform as the plant document says (values, plain data, YAML or JSON text, a file).

        Raises InvalidDocument; its faults have their place in the text, also when a plant was read from several files.
        """
        if isinstance(document, Path):
            body = document.read_bytes()
        elif isinstance(document, str):
            body = document.encode()
        else:
            body = msgspec.json.encode(document)
        params = {"dry_run": str(dry_run).lower(), "prune": str(prune).lower()}
        try:
            answer = self._at.request(
                "POST", path_of("apply"), content=body, params=params, headers={"Content-Type": "application/yaml"}
            )
        except InvalidDocument as error:
            if isinstance(document, Plant):
                from gemel.twin.documents import refusal  # with all that checks a document

                raise refusal(document, error.problems) from None
            raise InvalidDocument(
                str(document) if isinstance(document, Path) else "the document", error.problems
            ) from None
        return decode(answer.content, Plan)

    # the now

    def now(self, twin: str, *, at_position: int | None = None) -> dict[str, Now]:
        """All values of the twin as they are now."""
        view = self._at.get(Row, path_of("twins", twin, "now"), at_position=at_position)
        return {name: now_of(value) for name, value in view["values"].items()}

    def write(
        self,
        twin: str,
        property: str,
        value: Any,
        *,
        time: Moment | None = None,
        unit: str = "",
        quality: Quality = Quality.GOOD,
    ) -> int:
        """Report one value; returns its position once it is on stable storage."""
        body = {"value": value, "time": _text(time), "unit": unit, "quality": quality.name.lower()}
        answer = self._at.send(Row, "PUT", path_of("twins", twin, "now", property), body)
        return int(answer["position"])

    def ingest(self, messages: Sequence[Mapping[str, Any]] | pa.Table | pa.RecordBatch, *, source: str = "") -> Receipt:
        """Hand in many values: messages as `POST /ingest` has them, or Arrow columns twin, property, time, value."""
        if (schema := getattr(messages, "schema", None)) is not None:
            import pyarrow as pa

            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, schema) as writer:
                writer.write(messages)
            answer = self._at.request(
                "POST",
                path_of("ingest"),
                content=sink.getvalue().to_pybytes(),
                params={"source": source} if source else {},
                headers={"Content-Type": ARROW},
            )
            return decode(answer.content, Receipt)
        return self._at.send(Receipt, "POST", path_of("ingest"), {"messages": _plain(messages), "source": source})

    def reached(self, source: str, epoch: str, *, formerly: str = "") -> int | None:
        """The highest sequence number of an epoch of one's source that is on stable storage: where to go on.

        `formerly`: of the source that one was under another token, by its id.
        """
        asked = {"source": source, "epoch": epoch, "formerly": formerly}
        found: int | None = self._at.get(Row, path_of("ingest", "reached"), **asked)["sequence"]
        return found

    def edge(self) -> Row:
        """How the forwarding of an edge node stands. Raises NotFound where none is set."""
        return self._at.get(Row, path_of("edge"))

    def hash(self, twins: Sequence[str] = (), **query: Any) -> Row:
        """What stands for a selection at a position: `position`, `hash`, `count`; query: type, properties, depth."""
        return self._at.get(Row, path_of("hash"), twins=",".join(twins), **query)

    def subscribe(
        self,
        twins: Sequence[str] = (),
        *,
        type: str = "",
        roots: bool = False,
        after: int | None = None,
        **wanted: Any,
    ) -> Subscription:
        """Follow twins by id, of a type, or all; further fields: depth, properties, headline, rate_hz (None: all).

        To go on after a break give `after` and `epoch` of the broken one; a restored plant begins with a `reset`.
        """
        chosen: Any = list(twins) if twins else {"type": type, "roots": roots}
        asked = {"twins": chosen, "after": after, "rate_hz": None, **wanted}
        from gemel.client.live import Subscription  # WebSockets: for who follows

        return Subscription(self.url, self._headers, self._tls, asked)

    def query(self, sql: str, *, limit: int = 100_000) -> pa.Table:
        """A SELECT over live.<type>, history.*, twins and links."""
        answer = self._at.request(
            "POST",
            path_of("query"),
            content=msgspec.json.encode({"sql": sql, "limit": limit}),
            headers={"Content-Type": "application/json", "Accept": ARROW},
        )
        return table_of(answer.content)

    # the past

    def at(self, twin: str, time: Moment) -> dict[str, Reading]:
        """The whole twin as it was at an instant."""
        view = self._at.get(Row, path_of("twins", twin, "at"), time=_text(time))
        return {name: reading_of(twin, name, value) for name, value in view["values"].items()}

    def range(self, twin: str, property: str, start: Moment, end: Moment, **how: Any) -> Series:
        """A property in [start, end): `points`, `method` (minmax, mean, last, lttb, states, raw), `unit`."""
        view = self._at.get(Row, path_of("twins", twin, "history", property), start=_text(start), end=_text(end), **how)
        times = {"start": parse_time(view["start"]), "end": parse_time(view["end"])}
        return msgspec.convert({**view, **times}, Series)

    def history(self, twin: str, property: str, start: Moment, end: Moment, **how: Any) -> pa.Table:
        """As `range`, as an Arrow table; its schema's metadata `gemel` holds unit, method, resolution and gaps."""
        params = {name: value for name, value in how.items() if value is not None}
        answer = self._at.request(
            "GET",
            path_of("twins", twin, "history", property),
            params={"start": _text(start), "end": _text(end), **params},
            headers={"Accept": ARROW},
        )
        return table_of(answer.content)

    def average(self, twin: str, property: str, start: Moment, end: Moment, *, unit: str = "") -> Average:
        """The time-weighted average; gaps do not count."""
        path = path_of("twins", twin, "history", property, "average")
        return self._at.get(Average, path, start=_text(start), end=_text(end), unit=unit)

    def events(self, twin: str = "", **query: Any) -> Page[Row]:
        """Events and changes of conditions: `start`, `end`, `kind`, `limit`, `cursor`."""
        path = path_of("twins", twin, "events") if twin else path_of("events")
        times = {name: _text(query.pop(name)) for name in ("start", "end") if name in query}
        return self._at.get(Page[Row], path, **times, **query)

    def export(self, target: Path, **query: Any) -> int:
        """Write a download of the history to a file; `twins`, `properties`, `start`, `end`, `format`. Returns bytes."""
        times = {name: _text(query.pop(name)) for name in ("start", "end") if name in query}
        params = {name: ",".join(value) if isinstance(value, list | tuple) else value for name, value in query.items()}
        written = 0
        with self._at.stream("GET", path_of("export"), params={**params, **times}) as answer, target.open("wb") as file:
            for part in answer.iter_bytes():
                written += file.write(part)
        return written

    # connectors, quarantine, proof

    def connectors(self) -> list[Row]:
        """What is declared, each with its health."""
        return list(self._pages(Row, "connectors"))

    def put_connector(self, spec: ConnectorSpec) -> Row:
        return self._at.send(Row, "PUT", path_of("connectors", spec.id), spec)

    def remove_connector(self, id: str) -> None:
        self._at.request("DELETE", path_of("connectors", id))

    def restart_connector(self, id: str) -> Row:
        return self._at.send(Row, "POST", path_of("connectors", id, "restart"))

    def quarantined(self, **query: Any) -> Page[Row]:
        """What was not accepted, and why: `source`, `code`, `twin`, `state`, `limit`, `cursor`."""
        return self._at.get(Page[Row], path_of("quarantine"), **query)

    def replay(self, **chosen: Any) -> Receipt:
        """Hand in again what was not accepted: `ids`, or `source`, `code`, `twin`; perhaps a `rule` for its times."""
        return self._at.send(Receipt, "POST", path_of("quarantine", "replay"), chosen)

    def discard(self, **chosen: Any) -> int:
        """Throw away what was not accepted; returns how many."""
        return int(self._at.send(Row, "POST", path_of("quarantine", "discard"), chosen)["discarded"])

    def head(self) -> Head:
        return self._at.get(Head, path_of("journal", "head"))

    def verify(self) -> Row:
        """Compute every hash again: {ok, blocks, position, damaged, reason, witnessed, history: {ok, files, …}}."""
        return self._at.send(Row, "POST", path_of("journal", "verify"))

    def _pages(self, kind: Any, *path: str) -> Iterator[Any]:
        cursor: str | None = ""
        while cursor is not None:
            page = self._at.get(Page[kind], path_of(*path), limit=1000, cursor=cursor)
            yield from page.items
            cursor = page.next


def _tls(verify: bool | str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _text(time: Moment | None) -> str | None:
    return None if time is None else to_rfc3339(moment(time))


def _plain(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Messages with times as RFC 3339, whatever they were given as."""
    return [
        {
            **message,
            **{
                part: [
                    {**one, "time": _text(one["time"])} if one.get("time") is not None else dict(one)
                    for one in message[part]
                ]
                for part in ("readings", "events")
                if part in message
            },
        }
        for message in messages
    ]
