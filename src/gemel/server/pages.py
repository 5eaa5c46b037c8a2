"""The built web app, as files: compressed siblings, long caching for hashed names, index.html for deep links."""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path
from typing import Any

from gemel.errors import WrongMethod
from gemel.server.call import Call

__all__ = ["Pages"]

_HASHED = re.compile(r"[.-][A-Za-z0-9_-]{8,}\.[a-z0-9]+$")
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


class Pages:
    """Serves the files below one folder and nothing else; the list is read once, so no path can lead out of it."""

    def __init__(self, folder: Path) -> None:
        self._files: dict[str, Path] = {}
        if folder.is_dir():
            self._files = {
                "/" + path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
            }

    @property
    def built(self) -> bool:
        return "/index.html" in self._files

    async def __call__(self, scope: dict[str, Any], send: Any, _call: Call) -> None:
        """Answer a GET or HEAD outside the interface."""
        path: str = scope["path"]
        wanted = dict(scope["headers"])
        if scope["method"] not in {"GET", "HEAD"}:
            raise WrongMethod(f"{path:.200} is a page; it takes GET. The interface is below /api/v1")
        status, headers, body = self._answer(path, wanted)
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _answer(self, path: str, wanted: dict[bytes, bytes]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        if not self.built:
            return 503, [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")], _NOT_BUILT
        name = path if path in self._files else "/index.html"
        if name != path and _is_file(path):
            return 404, [(b"content-type", b"text/plain; charset=utf-8")], b"there is no such file"
        file = self._files[name]
        hashed = name.startswith("/assets/") and _HASHED.search(name) is not None
        kept = b"public, max-age=31536000, immutable" if hashed else b"no-cache"
        etag = f'"{file.stat().st_mtime_ns:x}-{file.stat().st_size:x}"'.encode()
        kind = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        headers = [
            (b"content-type", kind.encode()),
            (b"cache-control", kept),
            (b"etag", etag),
            (b"vary", b"Accept-Encoding"),
        ]
        if wanted.get(b"if-none-match") == etag:
            return 304, headers, b""
        taken = {part.split(b";")[0].strip() for part in wanted.get(b"accept-encoding", b"").split(b",")}
        for encoding, suffix in ((b"br", ".br"), (b"gzip", ".gz")):
            if encoding in taken and name + suffix in self._files:
                return 200, [*headers, (b"content-encoding", encoding)], self._files[name + suffix].read_bytes()
        return 200, headers, file.read_bytes()
