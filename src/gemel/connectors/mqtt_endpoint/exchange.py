"""Between clients: sessions, subscriptions, retained messages; who gets what was published."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

import mqtt5

from gemel.connectors.base import Port
from gemel.connectors.guests import Guest
from gemel.connectors.mqtt_endpoint.filters import FilterTree, split_shared, valid_filter
from gemel.connectors.mqtt_endpoint.layout import told
from gemel.connectors.mqtt_endpoint.reasons import Reason
from gemel.connectors.mqtt_endpoint.session import Outgoing, Publication, Session, Subscription
from gemel.connectors.mqtt_endpoint.settings import EndpointSettings
from gemel.connectors.mqtt_endpoint.topics import Topics
from gemel.intake import Message

__all__ = ["Exchange"]

_MOST_TWINS = 10_000
"""Twins whose present values one subscription may bring."""
_RETAINED_BYTES = 64 << 20


class Exchange:
    """All sessions of one endpoint. Runs on its event loop alone."""

    def __init__(self, settings: EndpointSettings, topics: Topics, port: Port) -> None:
        self._settings, self._topics, self._port = settings, topics, port
        self._tree: FilterTree[Subscription] = FilterTree()
        self._sessions: dict[tuple[str, str], Session] = {}
        self._guests: dict[Session, Guest] = {}
        self._retained: dict[str, Publication] = {}
        self._retained_bytes = 0
        self._turns: dict[tuple[str, str], int] = {}  # of shared subscriptions
        self.forgotten = 0
        """Retained messages that found no room."""

    # sessions

    def enter(self, client: str, guest: Guest, *, clean: bool) -> tuple[Session, bool]:
        """The session of a client, and whether there was one."""
        key = (guest.id, client)
        session = self._sessions.get(key)
        if session is not None and (clean or self._expired(session)):
            self.end(session)
            session = None
        present = session is not None
        if session is None:
            session = self._sessions[key] = Session(client, guest.id, self._settings.queue)
        self._guests[session] = guest
        return session, present

    def current(self, client: str, guest: Guest) -> Session | None:
        return self._sessions.get((guest.id, client))

    def leave(self, session: Session) -> None:
        """Its connection is gone; it lives on for a while if its client asked for that."""
        session.send = None
        session.gone_since = self._port.clock.monotonic()
        if session.expiry_s <= 0:
            self.end(session)
        elif len(self._sessions) > self._settings.sessions + self._settings.connections:
            away = (one for one in self._sessions.values() if one.send is None)
            self.end(min(away, key=lambda one: one.gone_since))

    def end(self, session: Session) -> None:
        for subscription in list(session.subscriptions.values()):
            self._drop(subscription)
        session.subscriptions.clear()
        self._guests.pop(session, None)
        if self._sessions.get((session.owner, session.client)) is session:
            del self._sessions[session.owner, session.client]

    def sweep(self) -> None:
        """End the sessions whose time has passed."""
        for session in [one for one in self._sessions.values() if one.send is None and self._expired(one)]:
            self.end(session)

    def _expired(self, session: Session) -> bool:
        now = self._port.clock.monotonic()
        return session.send is None and bool(session.gone_since) and now - session.gone_since >= session.expiry_s

    @property
    def dropped(self) -> int:
        """Messages that clients with a session did not get, because they were too slow or away too long."""
        return sum(session.dropped for session in self._sessions.values())

    # subscriptions

    def subscribe(self, session: Session, packet: mqtt5.SubscribePacket) -> tuple[list[int], list[Subscription]]:
        """What to answer for each filter (the quality granted, or a reason), and who wants what is retained."""
        codes, hungry = [], []
        for wanted in packet.topic_filters:
            code, subscription, new = self._subscribe(session, wanted, packet.subscription_id)
            codes.append(code)
            handling = int(wanted.retain_handling)
            if subscription is not None and not subscription.group and (handling == 0 or (handling == 1 and new)):
                hungry.append(subscription)
        return codes, hungry

    def _subscribe(
        self, session: Session, wanted: mqtt5.TopicFilter, identifier: int | None
    ) -> tuple[int, Subscription | None, bool]:
        parts = split_shared(wanted.pattern)
        if parts is None or not valid_filter(parts[1]):
            return Reason.TOPIC_FILTER_INVALID, None, False
        group, pattern = parts
        known = wanted.pattern in session.subscriptions
        if not known and len(session.subscriptions) >= self._settings.subscriptions:
            return Reason.QUOTA_EXCEEDED, None, False
        if not set(pattern) & set("+#"):
            place = self._topics.find(pattern)
            if place is None:
                return Reason.UNSPECIFIED_ERROR, None, False  # nobody can ever publish there
            if not self._hears(session, pattern):
                return Reason.NOT_AUTHORIZED, None, False
        subscription = Subscription(session, pattern, group, wanted, identifier)
        session.subscriptions[wanted.pattern] = subscription
        self._tree.put(pattern, (session, group), subscription)
        return int(wanted.max_qos), subscription, not known

    def unsubscribe(self, session: Session, pattern: str) -> bool:
        """Whether there was one."""
        subscription = session.subscriptions.pop(pattern, None)
        if subscription is not None:
            self._drop(subscription)
        return subscription is not None

    def _drop(self, subscription: Subscription) -> None:
        self._tree.remove(subscription.pattern, (subscription.session, subscription.group))
        if subscription.group:
            self._turns.pop((subscription.group, subscription.pattern), None)

    def _hears(self, session: Session, topic: str) -> bool:
        guest, place = self._guests.get(session), self._topics.find(topic)
        if guest is None or place is None:
            return False
        if place.orders:
            return self._port.guests.may_tell(guest, place.orders)
        if place.answers:
            return False
        if place.relayed:
            return not (guest.device and place.device) or guest.device == place.device
        return all(self._port.guests.may_hear(guest, twin) for twin in place.twins)

    # messages

    def is_heard(self, topic: str) -> bool:
        """Whether somebody who may hear it is connected, and has subscribed to it."""
        return any(one.session.send is not None and self._hears(one.session, topic) for one in self._tree.match(topic))

    def publish(self, publication: Publication) -> None:
        """Give it to all that subscribed to it and may hear it: once each, at the best quality that they asked for."""
        if publication.retain:
            self._retain(publication)
        found: dict[Session, list[Subscription]] = {}
        shared: dict[tuple[str, str], list[Subscription]] = {}
        for subscription in self._tree.match(publication.topic):
            if subscription.group:
                shared.setdefault((subscription.group, subscription.pattern), []).append(subscription)
            elif not (subscription.wanted.no_local and publication.origin is subscription.session):
                found.setdefault(subscription.session, []).append(subscription)
        for session, subscriptions in found.items():
            self._give(session, subscriptions, publication)
        for key, members in shared.items():
            self._share(key, members, publication)

    def _share(self, key: tuple[str, str], members: list[Subscription], publication: Publication) -> None:
        """To one of them in turn, best one that is here."""
        members = [one for one in members if self._hears(one.session, publication.topic)]
        here = [one for one in members if one.session.send is not None] or members
        if here:
            turn = self._turns[key] = (self._turns.get(key, -1) + 1) % len(here)
            self._give(here[turn].session, [here[turn]], publication)

    def _give(self, session: Session, subscriptions: list[Subscription], publication: Publication) -> None:
        if not self._hears(session, publication.topic):
            return
        quality = max(min(int(one.wanted.max_qos), publication.qos) for one in subscriptions)
        retain = publication.retain and any(one.wanted.retain_as_published for one in subscriptions)
        self._offer(session, publication, quality, retain=retain, subscriptions=subscriptions)

    def _offer(
        self,
        session: Session,
        publication: Publication,
        quality: int,
        *,
        retain: bool,
        subscriptions: list[Subscription],
    ) -> None:
        identifiers = tuple(one.identifier for one in subscriptions if one.identifier is not None)
        session.offer(Outgoing(publication, quality, retain, identifiers), self._port.clock.monotonic())

    def tell(self, message: Message) -> None:
        """This was taken in: tell subscribers of <prefix>/<twin>/<property> what the values are now, in their units."""
        if not len(self._tree) or not self._settings.prefix:
            return
        for reading in message.readings:
            twin = self._port.guests.id_of(reading.twin)
            topic = f"{self._settings.prefix}/{twin}/{reading.property}"
            if next(self._tree.match(topic), None) is None:
                continue
            if (now := self._port.present(twin).get(reading.property)) is not None:
                self.publish(Publication(topic, told(now.value, now.time, now.quality), 2))

    # what is retained

    def _retain(self, publication: Publication) -> None:
        before = self._retained.pop(publication.topic, None)
        if before is not None:
            self._retained_bytes -= len(before.payload)
        size = len(publication.payload)
        if not size:
            return
        if len(self._retained) >= self._settings.retained or self._retained_bytes + size > _RETAINED_BYTES:
            self.forgotten += 1
            return
        self._retained[publication.topic] = publication
        self._retained_bytes += size

    def serve(self, subscription: Subscription) -> Iterator[None]:
        """Send what is retained on the topics of a new subscription; of twins, their present values.

        A step for each message or twin: the client's connection takes them as it has room.
        """
        now = self._port.clock.monotonic()
        session = subscription.session
        one: FilterTree[bool] = FilterTree()
        one.put(subscription.pattern, None, True)
        for publication in chain(
            self._matching(subscription.pattern, one, now), self._present(subscription.pattern, one)
        ):
            yield
            if publication is not None and self._hears(session, publication.topic):
                quality = min(int(subscription.wanted.max_qos), publication.qos)
                self._offer(session, publication, quality, retain=True, subscriptions=[subscription])

    def _matching(self, pattern: str, one: FilterTree[bool], now: float) -> Iterator[Publication | None]:
        for topic in list(self._retained) if set(pattern) & set("+#") else [pattern]:
            publication = self._retained.get(topic)
            if publication is None:
                continue
            if publication.expires is not None and publication.expires <= now:
                self._retained_bytes -= len(publication.payload)
                del self._retained[topic]
            else:
                yield publication if next(one.match(topic), False) else None

    def _present(self, pattern: str, one: FilterTree[bool]) -> Iterator[Publication | None]:
        """Only where the filter names the prefix: `#` by itself does not pour out the whole plant."""
        prefix, _, rest = pattern.partition("/")
        if not self._settings.prefix or prefix != self._settings.prefix or not rest:
            return
        twin = rest.split("/", 1)[0]
        exact = twin not in ("+", "#")
        for id in [twin] if exact else islice(self._port.twins(), _MOST_TWINS):
            yield None
            topics = ((f"{prefix}/{id}/{name}", now) for name, now in self._port.present(id).items())
            for topic, now in topics:
                if next(one.match(topic), False):
                    yield Publication(topic, told(now.value, now.time, now.quality), 2, retain=True)
