"""The built web app, as files: compressed siblings, long caching for hashed names, index.html for deep links."""

from __future__ import annotations

import hashlib
import mimetypes
import re
from pathlib import Path
from typing import Any, NamedTuple

from gemel.errors import WrongMethod
from gemel.server.call import Call

__all__ = ["Pages"]

_HASHED = re.compile(r"[.-][A-Za-z0-9_-]{8,}\.[a-z0-9]+(\.br|\.gz)?$")
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
    ".glb": "model/gltf-binary",
    ".wasm": "application/wasm",
}
_NOT_BUILT = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Gemel</title>
<h1>Gemel runs, but its web app was not built</h1>
<p>In a checkout, run <code>make web</code> and load this page again. An installed Gemel has it built in.</p>
<p>The interface is there all the same: <a href="/api/v1/docs">its pages</a>,
<a href="/api/v1/openapi.json">its OpenAPI document</a>.</p></html>"""


_ASKED_BY_CLIENTS = {"/favicon.ico", "/robots.txt", "/sitemap.xml", "/manifest.json", "/sw.js"}
"""Files that browsers and robots ask for by themselves."""


def _is_file(path: str) -> bool:
    """Whether a path that is not there was meant as a file. Ids of twins may hold dots, so a suffix says nothing."""
    return path.startswith(("/assets/", "/.well-known/")) or path in _ASKED_BY_CLIENTS


class _File(NamedTuple):
    """One file as it is sent."""

    content: bytes
    kind: str
    etag: bytes


class Pages:
    """Serves the files below one folder and nothing else: they are read into memory, so no path can lead out of it.

    An app that is built anew is taken up when its index.html is another one. Files with hashed names of the one before
    stay, for pages that are open; while the folder is being replaced, what was there before is served.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamp: tuple[int, ...] = ()
        """Of the index.html whose app is served."""
        self._files: dict[str, _File] = {}
        self._earlier: dict[str, _File] = {}

    async def __call__(self, scope: dict[str, Any], send: Any, _call: Call) -> None:
        """Answer a GET or HEAD outside the interface."""
        path: str = scope["path"]
        wanted = dict(scope["headers"])
        if scope["method"] not in {"GET", "HEAD"}:
            raise WrongMethod(f"{path:.200} is a page; it takes GET. The interface is below /api/v1")
        self._look()
        status, headers, body = self._answer(path, wanted)
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _look(self) -> None:
        """Take up the app that is there now, if it is whole and another one."""
        try:
            stamp = _stamp(self._folder)
            if stamp == self._stamp:
                return
            files = _read(self._folder)
            if _stamp(self._folder) != stamp:
                return  # it was replaced meanwhile
        except OSError:
            return  # it is not built, or is being replaced
        self._earlier = {name: file for name, file in self._files.items() if _is_hashed(name)}
        self._files, self._stamp = files, stamp

    def _answer(self, path: str, wanted: dict[bytes, bytes]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        if not self._files:
            return 503, [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")], _NOT_BUILT
        files = self._earlier if path in self._earlier and path not in self._files else self._files
        name = path if path in files else "/index.html"
        if name != path and _is_file(path):
            return 404, [(b"content-type", b"text/plain; charset=utf-8")], b"there is no such file"
        file = files[name]
        kept = b"public, max-age=31536000, immutable" if _is_hashed(name) else b"no-cache"
        headers = [
            (b"content-type", file.kind.encode()),
            (b"cache-control", kept),
            (b"etag", file.etag),
            (b"vary", b"Accept-Encoding"),
        ]
        if wanted.get(b"if-none-match") == file.etag:
            return 304, headers, b""
        taken = {part.split(b";")[0].strip() for part in wanted.get(b"accept-encoding", b"").split(b",")}
        for encoding, suffix in ((b"br", ".br"), (b"gzip", ".gz")):
            if encoding in taken and name + suffix in files:
                return 200, [*headers, (b"content-encoding", encoding)], files[name + suffix].content
        return 200, headers, file.content


def _stamp(folder: Path) -> tuple[int, ...]:
    """What tells one build from another. Raises OSError where there is none."""
    about = (folder / "index.html").stat()
    return about.st_ino, about.st_mtime_ns, about.st_size


def _read(folder: Path) -> dict[str, _File]:
    """All files below a folder by their paths in URLs."""
    return {"/" + path.relative_to(folder).as_posix(): _file(path) for path in folder.rglob("*") if path.is_file()}


def _file(path: Path) -> _File:
    content = path.read_bytes()
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return _File(content, kind, f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'.encode())


def _is_hashed(name: str) -> bool:
    """Whether a name changes with its content; so do those of compressed siblings."""
    return name.startswith("/assets/") and _HASHED.search(name) is not None
