"""Orders to devices that are connected to us: on <prefix>/<twin>/~orders, answered on <prefix>/<twin>/~answers.

{"order": "order-…", "name": "start", "input": {"ramp": 5}, "deadline": "…"}     a command
{"order": "order-…", "name": "speed", "value": 1500, "deadline": "…"}            a desired value
{"order": "order-…", "status": "done", "output": {"cycle": 7}}                   the answer; see connectors.wording

Only a device that speaks for the twin hears its orders, and only such a one answers.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from gemel.clock import to_rfc3339
from gemel.commands import Errand, Outcome, Result, Tell
from gemel.connectors.base import Unsent
from gemel.connectors.mqtt_endpoint.exchange import Exchange
from gemel.connectors.mqtt_endpoint.session import Publication
from gemel.connectors.mqtt_endpoint.topics import ORDERS
from gemel.connectors.wording import answer_of

__all__ = ["Orders"]


class Orders:
    """Of one run of an endpoint, on its event loop."""

    def __init__(self, exchange: Exchange, prefix: str) -> None:
        self._exchange, self._prefix = exchange, prefix
        self._waiting: dict[str, tuple[str, asyncio.Queue[Outcome]]] = {}

    async def act(self, errand: Errand, tell: Tell) -> Outcome:
        """Publish it to the device that listens, and wait for the answer. Raises Unsent when none listens."""
        topic = f"{self._prefix}/{errand.twin}/{ORDERS}"
        if not self._exchange.is_heard(topic):
            raise Unsent(f"no device of {errand.twin} listens on {topic}")
        told: dict[str, Any] = {"order": errand.order, "name": errand.name}
        told |= {"value": errand.value} if errand.input is None else {"input": errand.input}
        told["deadline"] = to_rfc3339(errand.expires)
        answers: asyncio.Queue[Outcome] = asyncio.Queue()
        self._waiting[errand.order] = errand.twin, answers
        try:
            self._exchange.publish(Publication(topic, msgspec.json.encode(told), 1))
            tell(errand.order, Outcome(result=Result.LEFT))
            while True:
                answer = await answers.get()
                if answer.result is not Result.ACKNOWLEDGED:
                    return answer
                tell(errand.order, answer)
        finally:
            del self._waiting[errand.order]

    def answered(self, twin: str, payload: bytes) -> None:
        """A device of this twin answers. Raises ValueError for what cannot be read, or names no order."""
        order, outcome = answer_of(payload)
        if not order:
            raise ValueError('an answer names its order: {"order": "order-…", "status": "done"}')
        asked, answers = self._waiting.get(order, ("", None))
        if answers is not None and asked == twin:
            answers.put_nowait(outcome)
