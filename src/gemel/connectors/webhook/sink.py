"""The webhook sink: one POST for each fact, signed as Standard Webhooks 1.0 says, a CloudEvent 1.0 in JSON."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

import httpcore
import msgspec
from standardwebhooks import Webhook

import gemel
from gemel.clock import SECOND, to_rfc3339
from gemel.connectors.base import Backoff, NotWanted, Outlet, SecretRef, Settings, Undelivered
from gemel.connectors.guarded import Guarded
from gemel.errors import InvalidInput
from gemel.history import CHANGED, Fact
from gemel.twin import Change
from gemel.twin.binding import Binding

__all__ = ["WebhookSettings", "WebhookSink"]

_HAPPENED = "event.happened"
_CLOUDEVENT = b"application/cloudevents+json; charset=utf-8"
_ANSWER_BYTES = 65_536
"""Of an answer, so much is read (so that the connection can be used again); a longer one is cut off."""
_GONE = 410


class WebhookSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to, what, and how long to try."""

    url: str
    """https://…; http:// only to networks that `webhook_networks` in gemel.yaml names."""
    secret: SecretRef
    """`whsec_` and 24 to 64 bytes in base64: with it the receiver checks that a message is ours."""
    kinds: tuple[str, ...] = ("event.",)
    """Kinds of changes: `event.happened`, `condition.changed`; `twin.` for all that begin so."""
    events: tuple[str, ...] = ()
    """Of events of machines, only these names; empty: all."""
    twins: tuple[str, ...] = ()
    """Only what is about these ids; empty: about any."""
    source: str = ""
    """`source` of the CloudEvents; empty: urn:gemel:<connector id>."""
    ca: str = ""
    """PEM file, below the directory of secrets, of who signed the receiver's certificate; empty: those that the system
    trusts."""
    timeout_s: float = 15.0
    """For one whole delivery; Standard Webhooks suggests 15 to 30 s."""
    give_up_h: float = 72.0
    """What could not be delivered for so many hours is given up, and journaled as `delivery.abandoned`."""
    backoff: Backoff = Backoff(initial_s=1.0, maximum_s=600.0)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not self.url.isascii():
            raise ValueError(f"url {self.url!r:.120} is not allowed; write it like https://host/path")
        if parts.username or parts.password or parts.fragment:
            raise ValueError("no user, password or #fragment in the url; messages are signed with the secret")
        if not 0.1 <= self.timeout_s <= 120 or not 0 < self.give_up_h <= 24 * 365:
            raise ValueError("timeout_s must be between 0.1 and 120, give_up_h above 0 and at most a year")
        if not self.kinds:
            raise ValueError("kinds says what is sent; leave it out for events of machines")


class WebhookSink:
    """Posts what happened to one URL."""

    Settings: ClassVar[type[Any]] = WebhookSettings

    def __init__(self, settings: WebhookSettings, bindings: Sequence[Binding]) -> None:
        if bindings:
            raise InvalidInput(
                "a webhook has no bindings; `kinds`, `events` and `twins` in its settings say what it sends"
            )
        self._settings = settings
        self._exact = frozenset(kind for kind in settings.kinds if not kind.endswith("."))
        self._prefixes = tuple(kind for kind in settings.kinds if kind.endswith("."))
        self._twins, self._events = frozenset(settings.twins), frozenset(settings.events)
        self.give_up_s = settings.give_up_h * 3600
        self.hears_conditions = CHANGED in self._exact or CHANGED.startswith(self._prefixes)
        self._pool: httpcore.AsyncConnectionPool | None = None

    def wants(self, change: Change) -> bool:
        if change.kind not in self._exact and not change.kind.startswith(self._prefixes):
            return False
        if self._twins and change.subject not in self._twins:
            return False
        return not (self._events and change.kind == _HAPPENED and change.body.get("event") not in self._events)

    async def send(self, fact: Fact, outlet: Outlet) -> None:
        # a restored plant gives positions anew to other facts; the moment of recording tells them apart
        identity = f"{outlet.spec.id}-{fact.position}-{fact.recorded}"
        body = msgspec.json.encode(self._event(fact, identity, outlet))
        headers = [
            (b"content-type", _CLOUDEVENT),
            (b"user-agent", f"gemel/{gemel.__version__}".encode()),
            *_signed(outlet.secret(self._settings.secret), identity, outlet.clock.now(), body),
        ]
        if self._pool is None:
            self._pool = await asyncio.to_thread(self._connections, outlet)
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                status, retry_after_s = await self._post(headers, body)
        except TimeoutError:
            raise Undelivered(f"no answer within {self._settings.timeout_s:g} s") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, ssl.SSLError) as error:
            raise Undelivered(f"no answer: {type(error).__name__} {error}".strip()[:200]) from None
        _judge(status, retry_after_s)

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.aclose()

    def _connections(self, outlet: Outlet) -> httpcore.AsyncConnectionPool:
        encrypted = self._settings.url.startswith("https:")
        authority = str(outlet.file(self._settings.ca)) if self._settings.ca else None
        context = ssl.create_default_context(cafile=authority) if encrypted else None
        return httpcore.AsyncConnectionPool(
            ssl_context=context, max_connections=1, network_backend=Guarded(outlet, encrypted=encrypted)
        )

    async def _post(self, headers: list[tuple[bytes, bytes]], body: bytes) -> tuple[int, float]:
        """(status, Retry-After in seconds). Redirects are answers like any other: nothing follows them."""
        assert self._pool is not None
        host = (b"host", urlsplit(self._settings.url).netloc.encode())
        length = (b"content-length", str(len(body)).encode())
        async with self._pool.stream(
            "POST", self._settings.url, headers=[host, length, *headers], content=body
        ) as answer:
            read = 0
            async for part in answer.aiter_stream():
                read += len(part)
                if read > _ANSWER_BYTES:
                    break
            given = {name.lower(): value for name, value in answer.headers}.get(b"retry-after", b"")
            return answer.status, float(given) if given.isdigit() and len(given) < 7 else 0.0

    def _event(self, fact: Fact, identity: str, outlet: Outlet) -> dict[str, Any]:
        """As what this very platform takes in: an event of a machine arrives at another Gemel as that event."""
        change = fact.change
        happened = change.kind == _HAPPENED
        return {
            "specversion": "1.0",
            "id": identity,
            "source": self._settings.source or f"urn:gemel:{outlet.spec.id}",
            "type": f"io.gemel.happened.{change.body['event']}" if happened else f"io.gemel.{change.kind}",
            "subject": change.subject,
            "time": to_rfc3339(change.time),
            "recorded": to_rfc3339(fact.recorded),
            "sequence": str(fact.position),
            "datacontenttype": "application/json",
            "data": change.body.get("fields", {}) if happened else _told(change),
        }


def _told(change: Change) -> dict[str, Any]:
    """Its body; entries of conditions say since when as messages do."""
    if change.kind != CHANGED:
        return change.body
    entries = {name: change.body[name] for name in ("raised", "cleared")}
    return change.body | {
        name: [entry | {"since": to_rfc3339(entry["since"])} for entry in listed] for name, listed in entries.items()
    }


def _signed(secret: str, identity: str, now: int, body: bytes) -> list[tuple[bytes, bytes]]:
    """The three headers of Standard Webhooks 1.0. Raises InvalidInput, which never tells the secret."""
    try:
        _, prefixed, key = secret.partition("whsec_")
        if not prefixed or not 24 <= len(b64decode(key, validate=True)) <= 64:  # a shorter one can be guessed
            raise ValueError
        signature = Webhook(secret).sign(identity, datetime.fromtimestamp(now // SECOND, UTC), body.decode())
    except ValueError:
        raise InvalidInput(
            "the webhook's secret is not one: it is whsec_ and 24 to 64 bytes in base64; "
            "python -c \"import base64, os; print('whsec_' + base64.b64encode(os.urandom(32)).decode())\" makes one"
        ) from None
    return [
        (b"webhook-id", identity.encode()),
        (b"webhook-timestamp", str(now // SECOND).encode()),
        (b"webhook-signature", signature.encode()),
    ]


def _judge(status: int, retry_after_s: float) -> None:
    """Raises what an answer means. Standard Webhooks: 2xx is taken, 410 wants no more, all else is tried again."""
    if 200 <= status < 300:
        return
    if status == _GONE:
        raise NotWanted("it answered 410 Gone; the webhook is disabled")
    if 300 <= status < 400:
        raise Undelivered(f"it answered {status}; redirects are not followed, so declare the new address as url")
    raise Undelivered(f"it answered {status}", retry_after_s=retry_after_s)
