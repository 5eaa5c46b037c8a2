"""Last wills: what clients asked us to tell when their connection is lost, some only after a while."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mqtt5

from gemel.connectors.guests import Guest
from gemel.connectors.members import Member
from gemel.connectors.mqtt_endpoint.desk import Sender
from gemel.connectors.mqtt_endpoint.reasons import Reason
from gemel.connectors.mqtt_endpoint.session import Session

__all__ = ["Wills"]


@dataclass(eq=False)
class _Executor:
    """Publishes a will in the name of a client that is gone; nobody waits for the answer."""

    guest: Guest
    session: Session
    member: Member | None = None
    resumed: bool = False
    waiting: int = 0

    def settled(self, answers: Sequence[tuple[int, int, Reason, str]]) -> None:
        """Nobody is there to be told; what was refused is counted and in quarantine."""


class Wills:
    """Wills that wait for their time."""

    def __init__(self, now: Callable[[], float], publish: Callable[[Sender, mqtt5.PublishPacket], None]) -> None:
        """`now`: monotonic seconds."""
        self._now, self._publish = now, publish
        self._waiting: dict[tuple[str, str], tuple[float, _Executor, mqtt5.Will]] = {}

    def keep(self, sender: Sender, session: Session, will: mqtt5.Will) -> None:
        """The client is gone without a goodbye: publish now, or when its delay or its session has ended."""
        executor = _Executor(sender.guest, session)
        delay = min(will.will_delay_interval, session.expiry_s)
        if delay <= 0:
            self._tell(executor, will)
        else:
            self._waiting[session.owner, session.client] = (self._now() + delay, executor, will)

    def cancel(self, key: tuple[str, str]) -> None:
        """The client (its principal's id, its client id) is back in time."""
        self._waiting.pop(key, None)

    def sweep(self) -> None:
        """Publish those whose time has come."""
        now = self._now()
        for key in [key for key, (due, _, _) in self._waiting.items() if due <= now]:
            _, executor, will = self._waiting.pop(key)
            self._tell(executor, will)

    def _tell(self, executor: _Executor, will: mqtt5.Will) -> None:
        properties = {
            "content_type": will.content_type,
            "response_topic": will.response_topic,
            "correlation_data": will.correlation_data,
            "message_expiry_interval": will.message_expiry_interval,
            "user_properties": will.user_properties or None,
        }
        told = {name: value for name, value in properties.items() if value is not None}
        packet = mqtt5.PublishPacket(
            will.topic,
            will.payload or b"",
            qos=will.qos,
            retain=will.retain,
            packet_id=1 if int(will.qos) else None,
            payload_format_indicator=will.payload_format_indicator,
            **told,  # type: ignore[arg-type]  # each is of its own type
        )
        self._publish(executor, packet)
