"""The other Gemel, as an edge node speaks to it: as any client does, with a token of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gemel.client import Client, Receipt
from gemel.edge.messages import OWN, Writer
from gemel.errors import Denied, GemelError
from gemel.registry import Registry
from gemel.twin import PartOf, Plant, TwinSpec

__all__ = ["Upstream"]

REQUEST_BYTES = 8_000_000
TIMEOUT_S = 10.0
AGAIN_S = 60.0
PAGE = 1_000


class Upstream:
    """One connection pool; close it."""

    def __init__(self, url: str, name: str, *, token: str, verify: bool | str) -> None:
        self._client = Client(url, token=token, verify=verify, timeout_s=TIMEOUT_S)
        self._name = name
        self._known: set[str] = set()
        self._offered, self._again_s = -1, 0.0

    def close(self) -> None:
        self._client.close()

    def who(self) -> str:
        """As whom upstream knows the token."""
        return self._client.me().id

    def reached(self, epoch: str, *, formerly: str = "") -> int | None:
        """The highest number of an epoch that is on stable storage there, of what was told under this token, or under
        the one that we formerly had; None when there is none."""
        return self._client.reached(self._name, epoch, formerly=formerly)

    def send(self, messages: Iterable[tuple[dict[str, Any], int]]) -> list[Receipt]:
        """Hand in messages, each given with its weight, in as few requests as fit. Raises what upstream says."""
        receipts: list[Receipt] = []
        waiting: list[dict[str, Any]] = []
        total = 0
        for message, weight in messages:
            waiting.append(message)
            total += weight
            if total > REQUEST_BYTES:
                receipts.append(self._client.ingest(waiting, source=self._name))
                waiting, total = [], 0
        if waiting:
            receipts.append(self._client.ingest(waiting, source=self._name))
        return receipts

    def offer(self, registry: Registry, writer: Writer, now_s: float) -> str | None:
        """Declare types and twins there that it does not know; what it has stays as it is.

        Returns why it could not, empty if it could, None if it need not; what is said of them waits in quarantine there
        until somebody has declared them. `now_s`: of a steady clock; what was refused is tried again after a while.
        """
        directory = registry.directory
        if self._offered == directory.revision and (not self._again_s or now_s < self._again_s):
            return None
        self._again_s = 0.0
        revision = directory.revision
        chosen = [
            entry.id
            for number in directory.numbers().tolist()
            if (entry := directory.entry(number)) is not None and writer.selects(entry.id, entry.types)
        ]
        new = [id for id in chosen if id not in self._known]
        try:
            types = {type_.id for type_ in self._client.types()}
            missing = [type_ for type_ in registry.types() if type_.id not in types and not type_.id.startswith(OWN)]
            self._known |= self._twins() if new else set()
            specs = [_spec(registry, id, set(chosen)) for id in new if id not in self._known]
            if missing or specs:
                self._client.apply(Plant(types=tuple(missing), twins=tuple(specs)))
            self._known |= set(chosen)
            self._offered = revision
        except Denied as error:
            self._offered, self._again_s = revision, now_s + AGAIN_S
            return (
                f"types and twins cannot be declared upstream: {error.detail}; give the token the action configure, or "
                "declare them there, then replay its quarantine"
            )
        except GemelError as error:
            if error.status >= 500 or error.status in (401, 429):
                raise
            self._offered, self._again_s = revision, now_s + AGAIN_S
            return f"upstream does not take the types and twins of this edge: {error.detail:.300}"
        return ""

    def _twins(self) -> set[str]:
        found: set[str] = set()
        cursor: str | None = ""
        while cursor is not None:
            page = self._client.twins(limit=PAGE, cursor=cursor)
            found |= {twin.id for twin in page.items}
            cursor = page.next
        return found


def _spec(registry: Registry, id: str, chosen: set[str]) -> TwinSpec:
    twin = registry.twin(id)
    wholes = [link for link in registry.links(id, kind="part_of", direction="out") if link.target in chosen]
    return TwinSpec(
        id=twin.id,
        types=twin.types,
        name=twin.name,
        description=twin.description,
        serial=twin.serial,
        stage=twin.stage,
        aliases=twin.aliases,
        attributes=twin.attributes,
        part_of=tuple(PartOf(twin=link.target, slot=link.slot) for link in wholes),
    )
