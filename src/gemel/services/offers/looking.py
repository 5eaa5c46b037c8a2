"""What is asked of offers: what is sold, what the rules say of a choice, how an offer stands. Any thread."""

from __future__ import annotations

from collections.abc import Sequence

from gemel.clock import Clock
from gemel.configuration import Configuration, Readiness
from gemel.database import Database
from gemel.errors import InvalidInput
from gemel.services.base import Run
from gemel.services.declared import Declarations
from gemel.services.offers.comparing import compared
from gemel.services.offers.configuring import configured
from gemel.services.offers.models import problems
from gemel.services.offers.promising import promised
from gemel.services.offers.rows import find, listed, of_item
from gemel.services.offers.values import Asked, Compared, Configured, Model, Offer, OfferState, Promised
from gemel.twin import Page

__all__ = ["Looking"]


class Looking:
    """The questions of `Offers`."""

    def __init__(self, database: Database, clock: Clock, run: Run, *, configuration: Configuration) -> None:
        self._database, self._clock, self._run = database, clock, run
        self._configuration = configuration
        self.models: Declarations[Model] = Declarations(
            (database, clock, run), "model", Model, id="part", problems=problems
        )
        """What is sold, by part number. A part that nobody declared can be configured all the same, without price."""

    # configuring

    def model(self, part: str, maker: str = "") -> Model:
        """As it is declared; else the bare part. Raises NotFound."""
        declared = self.models.all().get(part)
        if declared is not None:
            return declared
        known = self._configuration.parts.part(part, maker)
        return Model(part=known.part, maker=known.maker, title=known.name)

    def sold(self) -> list[Model]:
        """What can be configured: models that are declared, then end items of the parts book that are not."""
        declared = self.models.all()
        rest = [
            Model(part=one.part, maker=one.maker, title=one.name)
            for one in self._configuration.parts.all()
            if one.part not in declared and (one.end_item or one.slots) and not self._within(one.part)
        ]
        return [*declared.values(), *rest]

    def _within(self, part: str) -> bool:
        return bool(self._configuration.parts.where_used(part))

    def configure(self, asked: Asked) -> Configured:
        """What the rules say of a choice, and what may be chosen besides; nothing is kept.

        Raises NotFound, InvalidInput.
        """
        with self._database.read() as tx:
            book = self._configuration.parts.read(tx)
        at = self._clock.now() if asked.at is None else asked.at
        return configured(book, self.model(asked.part, asked.maker), asked, at)

    # looking

    def get(self, id: str) -> Offer:
        """Raises NotFound."""
        with self._database.read() as tx:
            return find(tx, id)

    def all(
        self,
        *,
        states: Sequence[OfferState | str] = (),
        party: str | None = None,
        limit: int = 100,
        before: int = 0,
    ) -> Page[Offer]:
        """The newest first; `before`: older than the offer of this number."""
        if unknown := {str(one) for one in states} - set(OfferState):
            raise InvalidInput(f"{', '.join(sorted(unknown)):.80} is no state; use {', '.join(OfferState)}")
        wanted = [OfferState(one) for one in states]
        with self._database.read() as tx:
            found = listed(tx, states=wanted, party=party, limit=limit + 1, before=before)
        more = str(found[limit - 1].number) if len(found) > limit else None
        return Page(found[:limit], more)

    def of(self, item: str) -> Offer | None:
        """The offer by which a machine was ordered; None: it was not ordered here."""
        with self._database.read() as tx:
            return of_item(tx, item)

    def readiness(self, offer: Offer) -> Readiness | None:
        """Whether its machine may be called a twin yet, and what is missing; None: it is not ordered, or cancelled."""
        wanted = offer.item and offer.state is not OfferState.CANCELLED
        return self._configuration.readiness(offer.item) if wanted else None

    def compared(self, offer: Offer) -> Compared:
        """What was built beside what was ordered, however the record came to be."""
        ready = self.readiness(offer)
        built = None if ready is None else ready.built
        tree = None if built is None else self._configuration.tree(offer.item, built)
        return compared(offer.selection, built, tree)

    def promised(self, offer: Offer) -> list[Promised]:
        """Its service plan, promise by promise."""
        standing = self._configuration.upkeep.standing(root=offer.item) if offer.delivered is not None else []
        return promised(offer, standing, self._clock.now())
