"""One connection to a broker: takes messages in bulk, and acknowledges them when they are durable.

paho-mqtt 2.2 speaks the protocol (connect, keep-alive, subscribe, TLS, WebSocket). Two things are done here instead:
the thread (paho's own uses select, which fails for a process with more than 1,024 files), and `_packet_read`, which
costs four system calls and ~25 µs per message and cannot delay PUBREC: one recv takes what is there, PUBLISH is parsed
here, all else goes to paho. paho is pinned, and tests hold this seam.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from paho.mqtt.client import Client, time_func
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.exception import MQTTException

__all__ = ["Arrival", "Session"]

_CHUNK = 1 << 18
_FULL_BYTES = 64 << 20
"""Unread bytes at which reading stops until some are taken: TCP then slows the broker down."""
_OVERHEAD_BYTES = 64
_TICK_MS = 1000
_PUBLISH, _PUBACK, _PUBREC, _PUBREL, _PUBCOMP = 0x30, 0x40, 0x50, 0x60, 0x70


class Arrival(NamedTuple):
    """A PUBLISH as it came. `payload` is None when it was larger than allowed."""

    topic: bytes
    payload: bytes | None
    qos: int
    identifier: int
    retained: bool
    repeated: bool
    """The broker sends it again (DUP): it may have been taken before."""


class Session(Client):
    """A paho client whose messages are taken in bulk with `take` and confirmed with `acknowledge`."""

    def __init__(
        self, client_id: str, *, five: bool, maximum_bytes: int, arrived: Callable[[], None], **more: Any
    ) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            **more,
        )
        self._five = five
        self._maximum = maximum_bytes
        self._arrived = arrived
        self._unread = b""
        self._skip = 0
        self._inbox: deque[Arrival] = deque()
        self._lock = threading.Lock()
        self._held_bytes = 0
        self._closing = False
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self.on_socket_register_write = lambda *_: self._wake()
        self._thread_of_ours = threading.Thread(target=self._network, name=f"mqtt {client_id}", daemon=True)

    # -- any thread --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to read and write on a thread of its own; after `connect`."""
        self._thread_of_ours.start()

    def take(self, most: int) -> list[Arrival]:
        """Up to `most` messages in order of arrival; [] when there are none."""
        popleft = self._inbox.popleft
        taken: list[Arrival] = []
        size = 0
        with contextlib.suppress(IndexError):
            for _ in range(most):
                taken.append(arrival := popleft())
                size += len(arrival.payload or b"") + _OVERHEAD_BYTES
        with self._lock:
            was_full = self._held_bytes > _FULL_BYTES
            self._held_bytes -= size
        if was_full:
            self._wake()
        return taken

    def acknowledge(self, arrivals: Iterable[Arrival]) -> None:
        """Tell the broker that these are ours now, in order. Nothing happens when the connection is gone."""
        packets = b"".join(
            bytes((_PUBACK if arrival.qos == 1 else _PUBREC, 2, arrival.identifier >> 8, arrival.identifier & 255))
            for arrival in arrivals
            if arrival.qos
        )
        if packets and self._sock is not None:
            self._packet_queue(_PUBACK, packets, 0, 0)

    def stop(self) -> None:
        """Disconnect and end the network thread; blocks until it has ended (at most a few seconds)."""
        self._closing = True
        self.disconnect()
        self._wake()
        if self._thread_of_ours.ident is not None:
            self._thread_of_ours.join()
        self._sock_close()
        self._wake_in.close()
        self._wake_out.close()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            self._wake_out.send(b"\0")

    # -- network thread ----------------------------------------------------------------------------------------------

    def _network(self) -> None:
        poll = select.poll()
        poll.register(self._wake_in, select.POLLIN)
        while (sock := self.socket()) is not None:
            full = self._held_bytes > _FULL_BYTES  # then TCP slows the broker down
            try:
                poll.register(sock, (0 if full else select.POLLIN) | (select.POLLOUT if self.want_write() else 0))
                buffered = 0 if full else self._buffered(sock)
                ready = dict(poll.poll(0 if buffered else _TICK_MS))
            except (OSError, ValueError):  # closed by `stop` in between
                break
            if self._wake_in.fileno() in ready:
                with contextlib.suppress(BlockingIOError):
                    self._wake_in.recv(4096)
            if buffered or ready.get(sock.fileno(), 0) & ~select.POLLOUT:
                self.loop_read()
            if self.want_write():
                self.loop_write()
            if self._closing and not self.want_write():
                break
            self.loop_misc()

    @staticmethod
    def _buffered(sock: Any) -> int:
        """Bytes that TLS or WebSocket hold already: poll does not see them."""
        return sock.pending() if hasattr(sock, "pending") else 0

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        assert self._ssl_context is not None
        wrapped = self._ssl_context.wrap_socket(tcp_sock, server_hostname=self._host, do_handshake_on_connect=False)
        try:
            wrapped.settimeout(self.connect_timeout)
            wrapped.do_handshake()
        except BaseException:
            wrapped.close()  # paho leaves it open
            raise
        return wrapped

    def _packet_read(self) -> MQTTErrorCode:
        try:
            data = self._sock_recv(_CHUNK)
        except BlockingIOError:
            return MQTTErrorCode.MQTT_ERR_AGAIN
        except OSError:
            return MQTTErrorCode.MQTT_ERR_CONN_LOST
        if not data:
            return MQTTErrorCode.MQTT_ERR_CONN_LOST
        with self._msgtime_mutex:
            self._last_bytes_received = time_func()
        try:
            return self._parse(self._unread + data if self._unread else data)
        except (IndexError, ValueError, MQTTException):
            return MQTTErrorCode.MQTT_ERR_PROTOCOL

    def _parse(self, data: bytes) -> MQTTErrorCode:
        """Take all whole packets of `data`; keep the rest for the next read."""
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        at, end, before = 0, len(data), len(self._inbox)
        size, found = 0, self._inbox.append
        status = MQTTErrorCode.MQTT_ERR_SUCCESS
        while at + 2 <= end:
            head, length, start = data[at], data[at + 1], at + 2
            if length & 0x80:
                length, start = _varint(data, at + 1)
                if start == 0:
                    break
            stop = start + length
            if head & 0xF0 == _PUBLISH:
                if length > self._maximum:
                    if not self._oversized(data, start, head):
                        break
                    at = end if stop > end else stop
                    self._skip = max(stop - end, 0)
                    continue
                if stop > end:
                    break
                body = start + 2 + (data[start] << 8 | data[start + 1])
                topic = data[start + 2 : body]
                qos, identifier = head >> 1 & 3, 0
                if qos:
                    identifier = data[body] << 8 | data[body + 1]
                    body += 2
                if self._five:
                    properties, body = _varint(data, body)
                    body += properties
                if body > stop:
                    return MQTTErrorCode.MQTT_ERR_PROTOCOL
                found(Arrival(topic, data[body:stop], qos, identifier, bool(head & 1), bool(head & 8)))
                size += stop - body + _OVERHEAD_BYTES
            else:
                if stop > end:
                    break
                status = self._control(head, data[start:stop])
                if status != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    break
            at = stop
        self._unread = data[at:]
        if size or len(self._inbox) > before:
            with self._lock:
                self._held_bytes += size
            self._arrived()
        return status

    def _oversized(self, data: bytes, start: int, head: int) -> bool:
        """Note a message that is too large to take; False when its topic has not come whole yet."""
        body = start + 2 + (data[start] << 8 | data[start + 1]) if len(data) >= start + 2 else 1 << 62
        if len(data) < body + 2:
            return False
        identifier = data[body] << 8 | data[body + 1] if head & 6 else 0
        self._inbox.append(
            Arrival(data[start + 2 : body], None, head >> 1 & 3, identifier, bool(head & 1), bool(head & 8))
        )
        with self._lock:
            self._held_bytes += _OVERHEAD_BYTES
        return True

    def _control(self, head: int, body: bytes) -> MQTTErrorCode:
        """Everything but PUBLISH."""
        if head & 0xF0 == _PUBREL:
            return self._packet_queue(_PUBCOMP, bytes((_PUBCOMP, 2, body[0], body[1])), 0, 0)
        self._in_packet = {
            "command": head,
            "have_remaining": 1,
            "remaining_count": [],
            "remaining_mult": 1,
            "remaining_length": len(body),
            "packet": bytearray(body),
            "to_process": 0,
            "pos": 0,
        }
        return self._packet_handle()


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """(value, where it ends) of a variable byte integer; ends at 0 when it is not whole. MQTT 5.0, 1.5.5."""
    value = shift = 0
    for place in range(at, min(at + 4, len(data))):
        value |= (data[place] & 0x7F) << shift
        if not data[place] & 0x80:
            return value, place + 1
        shift += 7
    if len(data) >= at + 4:
        raise ValueError("a length of more than four bytes")
    return 0, 0
