"""Another party's Gemel, asked over HTTP: a few small questions, whose answers are bounded."""

from __future__ import annotations

import ssl
from types import TracebackType
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from gemel.errors import Unreachable

__all__ = ["Consistency", "Countersigned", "Heads", "Offer", "Peer"]

API = "/api/v1/witness"
TIMEOUT_S = 15.0
LARGEST = 4_000_000
_JSON = {"Content-Type": "application/json"}
T = TypeVar("T")


class Heads(msgspec.Struct, frozen=True, kw_only=True):
    """How far a plant's logs are, signed."""

    name: str
    rotations: list[str]
    """Each key's word for the next one."""
    heads: dict[str, str]
    """journal, audit → signed note."""


class Consistency(msgspec.Struct, frozen=True, kw_only=True):
    """Hashes by which the tree of `old` entries is found in that of `new`."""

    log: str
    old: int
    new: int
    proof: list[str]


class Countersigned(msgspec.Struct, frozen=True, kw_only=True):
    """What a witness holds of somebody's logs: the newest heads, with its countersignature."""

    owner: str
    rotations: list[str]
    """Of the witness's keys."""
    notes: list[str]
    faults: list[str] = []
    """What it found wrong and nobody there has accepted."""


class Offer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Heads that a plant hands in by itself, with the proofs that they extend what the witness holds."""

    name: Annotated[str, msgspec.Meta(max_length=100)]
    rotations: Annotated[list[str], msgspec.Meta(max_length=1000)]
    heads: Annotated[dict[str, str], msgspec.Meta(max_length=8)]
    proofs: Annotated[dict[str, Annotated[list[str], msgspec.Meta(max_length=128)]], msgspec.Meta(max_length=8)]


class Peer:
    """Close it, or use it in a `with`."""

    def __init__(self, url: str, token: str, *, certificate: str = "") -> None:
        """`certificate`: PEM file to trust instead of the usual authorities."""
        tls = ssl.create_default_context(cafile=certificate or None)
        self.host = urlsplit(url).netloc
        self._http = httpx.Client(
            base_url=url.rstrip("/") + API,
            headers={"Authorization": f"Bearer {token}"},
            verify=tls,
            timeout=TIMEOUT_S,
            follow_redirects=False,
            trust_env=False,
        )

    def heads(self) -> Heads:
        return self._get(Heads, "/heads")

    def consistency(self, log: str, old: int, new: int) -> Consistency:
        return self._get(Consistency, "/consistency", log=log, old=old, new=new)

    def countersigned(self, of: str) -> Countersigned:
        return self._get(Countersigned, "/countersigned", of=of)

    def offer(self, offer: Offer) -> Countersigned:
        return self._ask(Countersigned, "POST", "/offers", content=msgspec.json.encode(offer), headers=_JSON)

    def _get(self, kind: type[T], path: str, **params: Any) -> T:
        return self._ask(kind, "GET", path, params=params)

    def _ask(self, kind: type[T], method: str, path: str, **fields: Any) -> T:
        """Raises Unreachable for whatever goes wrong on the way."""
        try:
            with self._http.stream(method, path, **fields) as answer:
                data = bytearray()
                for part in answer.iter_bytes():
                    data += part
                    if len(data) > LARGEST:
                        raise Unreachable(f"{self.host} answers without an end")
        except httpx.LocalProtocolError:  # its text has the header that is wrong: the token, it may be
            raise Unreachable(
                f"{self.host} cannot be asked: a header is not of HTTP; has the token a line break?"
            ) from None
        except httpx.HTTPError as error:
            raise Unreachable(f"{self.host} cannot be reached: {type(error).__name__} {error!s:.200}") from error
        if answer.status_code != 200:
            told = _detail(bytes(data))
            raise Unreachable(f"{self.host} answered {answer.status_code}{f': {told:.300}' if told else ''}")
        try:
            return msgspec.json.decode(bytes(data), type=kind)
        except msgspec.MsgspecError as error:
            raise Unreachable(f"{self.host} answered something else than a witness does: {error!s:.200}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()


def _detail(data: bytes) -> str:
    try:
        return str(msgspec.json.decode(data, type=dict[str, Any]).get("detail", ""))
    except msgspec.MsgspecError:
        return ""
