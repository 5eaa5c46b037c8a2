"""What a topic means here: values of bindings, values of twins by the layout, or a message for other clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from gemel.connectors.mqtt_endpoint.filters import valid_topic
from gemel.connectors.mqtt_endpoint.layout import LayoutReader, layout_reader
from gemel.connectors.mqtt_endpoint.settings import EndpointSettings
from gemel.connectors.payloads import Reader, Router
from gemel.connectors.topics import Template
from gemel.intake import Message
from gemel.twin import Binding, Direction

__all__ = ["ANSWERS", "ORDERS", "Place", "Topics"]

ORDERS, ANSWERS = "~orders", "~answers"
"""Below <prefix>/<twin>: what the device is asked to do or to be, and what it says of that."""

_MOST_TOPICS = 50_000


class Place:
    """One topic. `twins`: whom its messages speak of; none for what is only passed on."""

    __slots__ = ("_bound", "_laid", "answers", "device", "orders", "raw", "twins")

    def __init__(
        self,
        *,
        bound: Reader | None = None,
        laid: LayoutReader | None = None,
        device: str = "",
        orders: str = "",
        answers: str = "",
    ) -> None:
        self._bound, self._laid = bound, laid
        self.orders, self.answers = orders, answers
        """The twin whose orders come here, or are answered here."""
        self.twins = bound.twins if bound is not None else laid.twins if laid is not None else frozenset()
        self.device = device
        """Of what is passed on: the only device that may use it; empty: any client."""
        self.raw = laid is None or laid.is_event
        """Subscribers get its messages as they came. Values of the layout reach them in one form, however told."""

    @property
    def relayed(self) -> bool:
        return not (self.twins or self.orders or self.answers)

    def read(self, payload: bytes, told: Mapping[str, str] | None) -> Message:
        """Raises Unreadable."""
        if self._laid is not None:
            return self._laid.read(payload, told)
        assert self._bound is not None
        message = self._bound.read(payload)
        if told and not message.id and message.sequence is None:
            return _numbered(message, self._bound.topic, told)
        return message


class Topics:
    """Finds the place of a topic; remembers it."""

    def __init__(self, settings: EndpointSettings, bindings: Sequence[Binding]) -> None:
        """Raises InvalidInput for bindings whose address is no topic."""
        inward = [binding for binding in bindings if binding.direction is not Direction.OUT]
        self._router = Router(inward, settings.payload, settings.topics)
        self._relay = [Template.parse(text) for text in settings.relay]
        self._prefix = settings.prefix
        self._places: dict[str, Place] = {}

    def find(self, topic: str) -> Place | None:
        """None for a topic that is nothing here."""
        try:
            return self._places[topic]
        except KeyError:
            if len(self._places) >= _MOST_TOPICS:
                self._places.clear()
            found = self._find(topic)
            if found is not None:  # of topics that are nothing, there is no end
                self._places[topic] = found
            return found

    def _find(self, topic: str) -> Place | None:
        if not valid_topic(topic):
            return None
        if (bound := self._router.find(topic)) is not None:
            return Place(bound=bound)
        if (laid := layout_reader(self._prefix, topic)) is not None:
            return Place(laid=laid)
        prefix, _, rest = topic.partition("/")
        twin, _, what = rest.partition("/")
        if self._prefix and prefix == self._prefix and twin and what in (ORDERS, ANSWERS):
            return Place(orders=twin) if what == ORDERS else Place(answers=twin)
        if topic.startswith("$") or topic.split("/", 1)[0] == self._prefix:
            return None
        for template in self._relay:
            if (values := template.match(topic)) is not None:
                return Place(device=values.get("device", ""))
        return None


def _numbered(message: Message, topic: str, told: Mapping[str, str]) -> Message:
    """With the identity that user properties tell, where the payload has none."""
    if told.get("sequence", "").isdecimal():
        return msgspec.structs.replace(
            message, sequence=int(told["sequence"]), epoch=f"{topic}:{told.get('epoch', '')}"
        )
    return msgspec.structs.replace(message, id=f"{topic}:{told['id']}") if told.get("id") else message
