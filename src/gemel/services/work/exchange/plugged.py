"""An exchange whose way is a plug-in's: a protocol, a vendor's library. What is exchanged stays declared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, ClassVar, Protocol, Self

import msgspec

from gemel import plugins
from gemel.connectors.base import SecretRef
from gemel.connectors.reach import Reach
from gemel.errors import GemelError
from gemel.services.work.exchange.calling import Answer, NotNow, Refused
from gemel.services.work.exchange.declared import Exchange

__all__ = ["Lent", "Plugged", "Way"]


class Lent(msgspec.Struct, frozen=True):
    """What the plant gives to a way."""

    secret: Callable[[SecretRef], str]
    """What a reference in `settings` names. Raises InvalidDocument."""
    closing: Callable[[], bool]
    """Whether the platform closes: end soon, it goes on later."""
    timeout_s: float


class Way(Protocol):
    """The class behind a name of the group `gemel.exchanges`. One is made for each run, and used by one thread."""

    Settings: ClassVar[type[Any]]
    """A msgspec struct: what `settings` of the exchange may say."""

    def __call__(self, settings: Any, lent: Lent) -> Way:
        """With checked settings; opens nothing yet."""

    def rows(self, since: str) -> Iterator[Any]:
        """What they have, each a mapping as `fields` of the exchange names its parts; `since`: the newest `version`
        that was taken in, empty: none. Raise NotNow for what may work later."""

    def tell(self, external: str, body: dict[str, Any], key: str) -> str:
        """Tell them of one thing, and return when they have it, with their id of it. `external`: that id, empty: it is
        new there. The same `key` is the same telling: it may come again, and is to have one effect. Raise Refused for
        what they do not want, NotNow for what may work later (`perhaps`: they may have it all the same)."""

    def close(self) -> None:
        """Let go of connections."""


class Plugged:
    """A way, for one run: what goes wrong in it is a failure of this exchange, and of nothing else."""

    def __init__(self, exchange: Exchange, reach: Reach, closing: Callable[[], bool] = lambda: False) -> None:
        """Raises UnknownPlugin, MissingExtra, PluginFailed, InvalidDocument (its settings)."""
        kind = plugins.load(plugins.EXCHANGES, exchange.plugin, reach.plugins)
        settings = plugins.settings_for(kind, exchange.settings, f"exchange {exchange.id}")
        self._name = exchange.plugin
        self._way: Way = self._guarded(lambda: kind(settings, Lent(reach.secret, closing, exchange.timeout_s)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._guarded(self._way.close)

    def rows(self, since: str) -> Iterator[Any]:
        """Raises NotNow, Refused, GemelError."""
        rows = self._guarded(lambda: iter(self._way.rows(since)))
        end = object()
        while (row := self._guarded(lambda: next(rows, end))) is not end:
            yield row

    def tell(self, external: str, body: dict[str, Any], *, key: str, id_at: str) -> Answer:
        """`id_at`: where their id is looked for in the answer. Raises as `rows`."""
        told = self._guarded(lambda: self._way.tell(external, body, key), perhaps=True)
        return Answer(200, {id_at: str(told or "")})

    def _guarded(self, work: Callable[[], Any], *, perhaps: bool = False) -> Any:
        try:
            return work()
        except (GemelError, NotNow, Refused):
            raise
        except Exception as error:  # a plug-in may raise anything
            told = f"{type(error).__name__}: {error!s:.200}"
            raise NotNow(f"the plug-in {self._name} fell over ({told}); tell who made it", perhaps=perhaps) from error
