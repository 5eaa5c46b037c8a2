"""What a caller sees of forms: those for items that the caller sees whole, and how they were filled in since then; of
whom the item is told in part, only that they were filled in."""

from __future__ import annotations

from msgspec.structs import replace

from gemel.access import Action, ItemColumn, Resource, ResourceKind
from gemel.errors import GemelError, NotFound
from gemel.server.call import Call
from gemel.server.guard import require_twin
from gemel.server.routes.orders import may_expect, person
from gemel.server.sold_seen import sees
from gemel.server.work_seen import WorkSeen
from gemel.services.forms import Filled, Filling, Form, Forms, Offered
from gemel.twin import PropertyGroup

__all__ = ["FormsSeen"]


class FormsSeen:
    """Of one request."""

    def __init__(self, call: Call) -> None:
        self._call, self._items = call, call.items
        self._work = WorkSeen(call)
        self.forms: Forms = call.services.platform.forms

    # forms

    def offered(self, *, item: str = "", twin: str = "") -> list[Offered]:
        """Raises NotFound, also where the item or the configuration of the twin may not be seen."""
        if item:
            self._items.require(item)
        else:
            twin = self._call.view.entry(twin).id
            if not self._items.everything and not sees(self._call, twin, self._call.services.platform.clock.now()):
                raise NotFound(f"of the configuration of {twin:.100} nothing is told")
        return self.told(self.forms.offered(item=item, twin=twin))

    def of_order(self, order: str) -> list[Offered]:
        """Raises NotFound."""
        return self.told(self.forms.of_order(self._work.found(order).id))

    def told(self, offered: list[Offered]) -> list[Offered]:
        if self._items.everything:
            return offered
        return [
            replace(one, form=self.form(one.form), filled=None if one.filled is None else self.shown(one.filled))
            for one in offered
            if not one.order or self._sees_order(one.order)
        ]

    def form(self, form: Form) -> Form:
        """What else it is for names other machines."""
        return form if self._items.everything else replace(form, applies=(), types=(), slots=(), stages=(), jobs=())

    def may(self, item: str, twin: str) -> bool:
        """Whether who asks may fill in forms there."""
        gate, who = self._call.services.platform.gate, self._call.who
        held = self._items.holders(item, self._call.services.platform.clock.now()) if item else []
        twins = (*held, *((self._call.view.entry(twin).id,) if twin else ()))
        asked = [Resource(ResourceKind.TWIN, one, PropertyGroup.CONFIGURATION) for one in twins]
        return any(gate.allows(who, Action.MAINTAIN, one) for one in (Resource(ResourceKind.PLATFORM), *asked))

    # what was filled in

    def shown(self, filled: Filled) -> Filled | None:
        """As far as it may be seen; None: not at all."""
        if self._items.everything:
            return filled
        if filled.item:
            if not self._items.sees(filled.item, filled.at):
                return self._outline(filled) if self._items.tells(filled.item, ItemColumn.DOCUMENTS) else None
        elif not sees(self._call, filled.twin, filled.at):
            return None
        own = filled.actor == person(self._call.who)
        order = filled.order if filled.order and self._sees_order(filled.order) else ""
        told = replace(filled, order=order, actor=filled.actor if own else "", key=filled.key if own else "")
        return self._readings_seen(told)

    def _outline(self, filled: Filled) -> Filled:
        return replace(
            filled, answers={}, amiss=(), acts=(), actor="", key="", order="", twin="", serial="", withheld=True
        )

    def _readings_seen(self, filled: Filled) -> Filled:
        """Without answers that are readings of what the caller does not see."""
        form, _ = self.forms.version(filled.form, filled.version)
        asked = {one.name: one.reading for one in form.fields if one.reading}
        hidden = {name for name, one in asked.items() if not self._sees_property(filled.twin, one, filled.at)}
        hidden &= set(filled.answers)
        if not hidden:
            return filled
        answers = {name: one for name, one in filled.answers.items() if name not in hidden}
        amiss = tuple(one for one in filled.amiss if one.field not in hidden)
        return replace(filled, answers=answers, amiss=amiss, withheld=True)

    def _sees_property(self, twin: str, name: str, at: int) -> bool:
        view = self._call.view
        entry = view.find(twin)
        if entry is None or name not in entry.properties:
            return False
        return view.projection is None or view.projection.since(entry, entry.properties[name]) <= at

    def _sees_order(self, order: str) -> bool:
        try:
            return bool(self._work.found(order))
        except GemelError:
            return False

    # what may be filled in

    def _fits(self, filling: Filling) -> bool:
        try:
            return self.forms.fits(filling)
        except NotFound:
            return False

    def permit(self, filling: Filling) -> Filling:
        """Raises Denied, NotFound (also what may not be seen) unless who asks may fill it in: to maintain the machine,
        and to write what its answers are readings of."""
        call, forms = self._call, self.forms
        self._work.permit(filling.twin, filling.item, f"fill in {filling.form:.100}")
        if filling.key and forms.known(filling, person(call.who)) is not None:
            return filling  # handed in already: the answer is the same, whatever ended since
        at = call.services.platform.clock.now() if filling.at is None else filling.at
        if filling.expects:
            may_expect(call, filling.expects, filling.twin, filling.item, at)
        if filling.order:
            self._work.found(filling.order)
        if not self._items.everything:
            if filling.item and not self._items.sees(filling.item, at):
                raise NotFound(f"of the configuration of {filling.item:.100} nothing is told")
            if not self._fits(filling):
                raise NotFound(f"there is no form {filling.form!r:.80} for it")
        form, _ = forms.version(filling.form, filling.version)
        wanted = {one.reading for one in form.fields if one.reading and filling.answers.get(one.name) is not None}
        if wanted:
            twin = filling.twin or call.services.platform.configuration.twin_of(filling.item, at)
            for name in wanted:
                entry = call.view.find(twin)
                if entry is None or name in entry.properties:
                    require_twin(call, call.who, Action.WRITE, twin, property=name, detail=f"fill in {form.id}: {name}")
        return filling
