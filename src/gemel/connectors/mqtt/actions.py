"""Orders over MQTT: published to a topic; what the device answers comes on another."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from typing import Any

from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gemel.commands import Errand, Outcome, Result, Tell, check_out
from gemel.connectors.base import Unsent
from gemel.connectors.mqtt.link import Link
from gemel.connectors.topics import parse_address
from gemel.connectors.wording import answer_of, check_wording, filled, payload_of
from gemel.errors import InvalidInput
from gemel.twin import Binding, Direction

__all__ = ["Actions", "Replies"]

OUT = ("topic", "payload", "qos", "retain", "reply")
_ORDER = "{order}"


class Replies:
    """The topics on which devices answer, and who waits for an answer. Outlives connections."""

    def __init__(self, bindings: Iterable[Binding]) -> None:
        """Raises InvalidInput for a binding whose `out` does not fit."""
        outward = [binding for binding in bindings if binding.direction is not Direction.IN]
        for binding in outward:
            _check(binding)
        topics = sorted({str(binding.out["reply"]) for binding in outward if binding.out.get("reply")})
        self.filters = sorted({_VARIABLES.sub("+", topic) for topic in topics})
        self._patterns = [_pattern(topic) for topic in topics]
        self._waiting: dict[str, asyncio.Queue[Outcome]] = {}

    def expect(self, order: str) -> asyncio.Queue[Outcome]:
        """Answers to an order, from now on."""
        return self._waiting.setdefault(order, asyncio.Queue())

    def forget(self, order: str) -> None:
        """Nobody waits for them any more."""
        self._waiting.pop(order, None)

    def take(self, topic: bytes, payload: bytes) -> bool:
        """Whether this is an answer; it is handed to whoever waits. Raises ValueError when it cannot be read."""
        if not self._patterns:
            return False
        text = topic.decode(errors="replace")
        found = next((match for pattern in self._patterns if (match := pattern.fullmatch(text))), None)
        if found is None:
            return False
        named, outcome = answer_of(payload)
        waiting = self._waiting.get(found.groupdict().get("order") or named)
        if waiting is not None:
            waiting.put_nowait(outcome)
        return True


_VARIABLES = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")


def _pattern(topic: str) -> re.Pattern[str]:
    levels = []
    for level in topic.split("/"):
        if level == _ORDER:
            levels.append("(?P<order>[^/]+)")
        elif _VARIABLES.search(level):
            levels.append("[^/]+")
        else:
            levels.append(re.escape(level))
    return re.compile("/".join(levels))


def _check(binding: Binding) -> None:
    check_out(binding, OUT)
    where = f"binding {binding.address!r:.120}"
    topic = str(binding.out.get("topic") or parse_address(binding.address)[0])
    if not topic or set(topic) & set("+#\0") or len(topic.encode()) > 1024:
        raise InvalidInput(f"{where}: {topic!r:.120} is no topic to publish to; name one: out: {{topic: …}}")
    reply = str(binding.out.get("reply", ""))
    if set(reply) & set("+#\0") or any(_ORDER in level and level != _ORDER for level in reply.split("/")):
        raise InvalidInput(f"{where}: reply {reply!r:.120} is a topic, with {{order}} as a whole level or not at all")
    if binding.out.get("qos", 1) not in (0, 1, 2):
        raise InvalidInput(f"{where}: qos is 0, 1 or 2")
    check_wording(binding.out.get("payload"), where)


class Actions:
    """On one connection."""

    def __init__(self, link: Link, replies: Replies, *, five: bool) -> None:
        self._link, self._replies, self._five = link, replies, five

    async def act(self, errand: Errand, tell: Tell) -> Outcome:
        """Publish, and wait for the answer where one comes. Raises Unsent, and whatever leaves the outcome open."""
        out = errand.binding.out
        topic = str(filled(out.get("topic") or parse_address(errand.binding.address)[0], errand))
        reply = str(filled(out["reply"], errand)) if out.get("reply") else ""
        answers = self._replies.expect(errand.order) if reply else None
        try:
            delivered = self._publish(errand, topic, reply)
            tell(errand.order, Outcome(result=Result.LEFT))
            if delivered is None:
                outcome = Outcome(result=Result.LEFT)
            else:
                await delivered
                outcome = Outcome(result=Result.DELIVERED, detail=f"the broker has it, on {topic}")
            if answers is None:
                return outcome
            tell(errand.order, outcome)
            while True:
                answer = await answers.get()
                if answer.result is not Result.ACKNOWLEDGED:
                    return _by_name(answer, errand)
                tell(errand.order, answer)
        finally:
            self._replies.forget(errand.order)

    def _publish(self, errand: Errand, topic: str, reply: str) -> asyncio.Future[Any] | None:
        """Hand it to the broker; resolves when the broker has it (None: of quality 0 nobody says so). Raises Unsent."""
        out, properties = errand.binding.out, None
        if self._five and reply:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # of the library
            properties.ResponseTopic = reply
            properties.CorrelationData = errand.order.encode()
        qos = int(out.get("qos", 1))
        payload = payload_of(errand, out.get("payload"))
        if self._link.failure is not None:
            raise Unsent(str(self._link.failure))
        try:
            status, identifier = self._link.session.publish(topic, payload, qos, bool(out.get("retain")), properties)
        except (ValueError, RuntimeError) as error:
            raise Unsent(f"it cannot be published to {topic}: {error}") from error
        if status != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise Unsent(f"there is no connection to the broker ({MQTTErrorCode(status).name})")
        return self._link.published(identifier) if qos else None


def _by_name(answer: Outcome, errand: Errand) -> Outcome:
    """A bare value is the one output that the type names."""
    if answer.output is not None and answer.output.keys() == {"value"} and len(errand.outputs) == 1:
        return Outcome(result=answer.result, detail=answer.detail, output={errand.outputs[0]: answer.output["value"]})
    return answer


def inward(bindings: Sequence[Binding]) -> list[Binding]:
    """Those that are read."""
    return [binding for binding in bindings if binding.direction is not Direction.OUT]
