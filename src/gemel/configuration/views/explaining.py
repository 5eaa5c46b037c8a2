"""Why somebody is told of an item, or not: because its machine is seen, or by which view, and what of it."""

from __future__ import annotations

from gemel.access import Gate, Principal, Reason, Why
from gemel.configuration.acts.acting import item_row
from gemel.configuration.spans import covering
from gemel.configuration.values import FOREVER
from gemel.configuration.views.partly import Partly
from gemel.configuration.views.seen import Seen

__all__ = ["explain_item"]


def explain_item(gate: Gate, principal: Principal, seen: Seen, item: str) -> Why:
    """Of an item, by its id, as it is now; `seen`: what the principal sees. Raises NotFound."""
    known = seen.read(lambda tx: str(item_row(tx, item).id))
    reasons = []
    if whole := seen.sees(known):
        by = "everything is" if seen.everything else "its machine's twin is, with the group configuration"
        reasons.append(Reason("configuration", f"it is seen whole: {by}"))
    told = False
    for one in seen.partly:
        tells = _is_told(one, known, gate.now())
        told = told or tells
        reasons.append(Reason(one.told.policy, _said(one) if tells else f"is not of it now: {one.told.view}"))
    to = f"party:{principal.party}" if principal.party else f"user:{principal.owner or principal.id}"
    return Why(
        allowed=whole or told,
        principal=principal.id,
        action="read",
        twin="",
        item=known,
        reasons=reasons,
        needed=[]
        if whole or told
        else [
            f"a grant to {to} of read on the twin of the machine that it is in, with the group configuration",
            f"a grant to {to} of a view of the configuration that is of it",
        ],
    )


def _is_told(one: Partly, item: str, now: int) -> bool:
    spans = one.whole.read(lambda tx: one.spans(tx, int(item_row(tx, item).number), FOREVER - 1))
    return covering(spans, now) is not None


def _said(one: Partly) -> str:
    told = ", ".join(sorted(one.told.columns)) or "which part it is, and its slot"
    hidden = ", ".join(one.told.withheld)
    return f"tells {told}" + (f"; withholds {hidden}" if hidden else "")
