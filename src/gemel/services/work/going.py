"""Whether a crew may go, and begin: what an order assumes of the machine, and whether that is safe now."""

from __future__ import annotations

from sqlalchemy import Connection

from gemel.configuration import Configuration, RevisionOrder
from gemel.errors import RuleBroken
from gemel.services.work.order import WorkOrder, WorkState

__all__ = ["may_go"]

_NAMED = 3
"""Of what is not safe, so much is named; the machine's own page has all."""


def may_go(
    tx: Connection, configuration: Configuration, order: WorkOrder, state: WorkState, revisions: RevisionOrder
) -> None:
    """Raises ConfigurationDiffers where what an order assumes is not so and somebody would set out, or begin;
    RuleBroken where work would begin on a machine that is not safe."""
    if state not in (WorkState.ON_THE_WAY, WorkState.WORKING):
        return
    if order.expects:
        configuration.assumed(tx, order.expects, order.item, revisions)
    if state is not WorkState.WORKING or not order.item:
        return
    findings = configuration.endangered(tx, order.item)
    if findings:
        told = "; ".join(one.text for one in findings[:_NAMED])
        more = f" (and {len(findings) - _NAMED} more)" if len(findings) > _NAMED else ""
        raise RuleBroken(
            f"{order.item} is not safe as it is configured: {told}{more}; mend it, or begin with a concession",
            findings=findings,
        )
