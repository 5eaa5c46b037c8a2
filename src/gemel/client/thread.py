"""The digital thread over the network, each verb one request."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gemel.client.jobs import finished
from gemel.client.transport import Transport, path_of
from gemel.client.values import decode
from gemel.clock import Moment, moment, to_rfc3339
from gemel.errors import InvalidInput, NotFound

__all__ = ["Documents", "Threads"]

Row = dict[str, Any]


def _text(time: Moment | None) -> str | None:
    return None if time is None else to_rfc3339(moment(time))


class Threads:
    """`client.thread`. Answers are plain data, as docs/reference/http.md shows them."""

    def __init__(self, at: Transport) -> None:
        self._at = at

    def follow(self, kind: str, id: str, *, at: Moment | None = None, known: Moment | None = None, **how: Any) -> Row:
        """Everything within some links of a part, item, slot, twin, act, record, document or measurement, with the path
        to each. `how`: sub, start, end, depth, direction, phase, link, siblings, limit, after. Raises NotFound."""
        return self._at.get(Row, path_of("thread", kind, id), at=_text(at), known=_text(known), **how)

    def records(self, q: str = "", **query: Any) -> Row:
        """A page of records; `query`: kind, phase, system, external, known, limit, cursor."""
        return self._at.get(Row, path_of("records"), q=q, **query)

    def record(self, id: str, *, known: Moment | None = None) -> Row:
        """Raises NotFound."""
        return self._at.get(Row, path_of("records", id), known=_text(known))

    def measurements(self, items: Sequence[str] = (), **query: Any) -> Row:
        """A page of what inspections found; `query`: inspection, characteristic, status, known, limit, cursor."""
        return self._at.get(Row, path_of("measurements"), items=",".join(items), **query)

    def trace(self, items: Sequence[str], *, status: str = "fail", known: Moment | None = None) -> Row:
        """From what was out of tolerance to the machines, programs, tools and readings while it was made."""
        given = {"items": ",".join(items), "status": status, "known": _text(known) or ""}
        return decode(self._at.request("GET", path_of("trace"), params=given).content, Row)

    def source(self, number: int, place: str = "") -> Row:
        """A file that statements were read from, and its lines about a place."""
        return self._at.get(Row, path_of("thread", "sources", str(number)), place=place)

    def weave(
        self,
        records: Iterable[Mapping[str, Any]] = (),
        links: Iterable[Mapping[str, Any]] = (),
        *,
        basis: Mapping[str, Any] | None = None,
    ) -> Row:
        """Say records {id, kind, …} and links {kind, source: {kind, id, …}, target: {…}}, all or none."""
        body = {"records": list(records), "links": list(links), "basis": dict(basis or {})}
        return self._at.send(Row, "POST", path_of("thread"), body)

    def end(self, link: int, *, reason: str, at: Moment | None = None) -> Row:
        """A link was so only until a moment; without one, it never was. Raises NotFound, Conflict."""
        given = {"reason": reason, **({} if at is None else {"at": _text(at)})}
        return self._at.send(Row, "DELETE", path_of("thread", "links", str(link)), params=given)

    def mappings(self) -> list[Row]:
        """The mappings that come with Gemel."""
        return self._at.get(list[Row], path_of("thread", "mappings"))

    def import_folder(
        self,
        folder: Path,
        mapping: str | Path,
        *,
        receive: bool = False,
        dry_run: bool = False,
        progress: Callable[[float], None] | None = None,
    ) -> Row:
        """What each file brings, or with `dry_run` would bring. `folder`: or one file. `mapping`: the name of one, or a
        YAML file. `receive`: what as-built lists say was seen, and the record becomes as they say.

        Returns when it is done, however long it lasts; whoever is interrupted meanwhile (Ctrl-C) ends it. Raises
        InvalidDocument with the faults (then nothing was taken in), NotFound, InvalidInput.
        """
        named = str(mapping) if not str(mapping).endswith((".yaml", ".yml")) else ""
        body = _packed(folder, None if named else Path(mapping))
        given = {"mapping": named, "receive": str(receive).lower(), "dry_run": str(dry_run).lower()}
        headers = {"Content-Type": "application/zip"}
        sent = self._at.request("POST", path_of("thread", "imports"), params=given, content=body, headers=headers)
        job = decode(sent.content, Row)
        return finished(self._at, job, progress, what="the import", left="files that were taken in stay")


class Documents:
    """`client.documents`."""

    def __init__(self, at: Transport) -> None:
        self._at = at

    def search(self, q: str = "", **query: Any) -> Row:
        """A page of documents with their versions; `query`: known, limit, cursor."""
        return self._at.get(Row, path_of("documents"), q=q, **query)

    def get(self, document: str, *, known: Moment | None = None) -> Row:
        """Raises NotFound."""
        return self._at.get(Row, path_of("documents", document), known=_text(known))

    def valid(
        self, item: str, *, at: Moment | None = None, known: Moment | None = None, language: str = ""
    ) -> list[Row]:
        """The versions that apply to an item at a moment: the manual for this serial number today."""
        given = {"at": _text(at), "known": _text(known), "language": language}
        return self._at.get(list[Row], path_of("items", item, "documents"), **given)

    def content(self, document: str, version: str, *, language: str = "") -> bytes:
        """Raises NotFound."""
        given = {"language": language} if language else {}
        return self._at.request(
            "GET", path_of("documents", document, "versions", version, "content"), params=given
        ).content

    def hand_in(self, document: str, version: str, content: bytes | Path, **about: Any) -> Row:
        """Keep a version. `about`: kind, title, language, name, phase, applies (JSON), links, start, end, note, reason.

        Raises Conflict (a version of this name has another content), InvalidInput, TooLarge.
        """
        if isinstance(content, Path):
            about.setdefault("name", content.name)
            content = _read(content)
        given = {name: value for name, value in about.items() if value not in (None, "", ())}
        headers = {"Content-Type": "application/octet-stream"}
        where = path_of("documents", document, "versions", version)
        return decode(self._at.request("PUT", where, params=given, content=content, headers=headers).content, Row)

    def withdraw(self, document: str, version: str, *, reason: str) -> Row:
        """It is not to be used any more. Raises NotFound."""
        return self._at.send(
            Row, "DELETE", path_of("documents", document, "versions", version), params={"reason": reason}
        )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from error


def _packed(folder: Path, mapping: Path | None) -> bytes:
    """The folder, or one file, as a ZIP archive; its files are compressed already, or are small."""
    if not folder.exists():
        raise NotFound(f"there is no folder and no file {folder}")
    files = sorted(folder.rglob("*")) if folder.is_dir() else [folder]
    base = folder if folder.is_dir() else folder.parent
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in files:
            if path.is_file() and not path.is_symlink() and path.name != "mapping.yaml":
                try:
                    archive.write(path, path.relative_to(base).as_posix())
                except ValueError as error:  # a time before 1980
                    raise InvalidInput(f"{path} cannot be packed: {error}") from error
        if mapping is not None:
            archive.writestr("mapping.yaml", _read(mapping))
    return out.getvalue()
