"""MQTT within WebSocket messages (MQTT 5, 6): for browsers, and where a proxy lets nothing else through."""

from __future__ import annotations

import asyncio
import http
from typing import Any, cast

from websockets.exceptions import InvalidState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from gemel.connectors.mqtt_endpoint.connection import Connection

__all__ = ["WebSocket"]


class WebSocket(asyncio.Protocol):
    """The protocol of the socket, and the transport of the connection within."""

    def __init__(self, inner: Connection, path: str, most: int) -> None:
        """`path`: where a client must ask for it; `most`: bytes of one message."""
        self._inner, self._path = inner, path
        self._socket = ServerProtocol(subprotocols=[Subprotocol("mqtt")], max_size=most)
        self._transport: asyncio.Transport

    # the socket's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._inner.connection_made(cast("asyncio.Transport", self))

    def data_received(self, data: bytes) -> None:
        self._socket.receive_data(data)
        for event in self._socket.events_received():
            if isinstance(event, Request):
                self._greet(event)
            elif isinstance(event, Frame) and event.opcode in (Opcode.BINARY, Opcode.CONT):
                self._inner.data_received(bytes(event.data))
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._socket.fail(CloseCode.UNSUPPORTED_DATA, "MQTT travels in binary messages")
        self._flush()

    def eof_received(self) -> None:
        self._socket.receive_eof()
        self._flush()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        self._inner.connection_lost(error)

    def _greet(self, request: Request) -> None:
        if request.path.partition("?")[0] != self._path:
            answer = self._socket.reject(http.HTTPStatus.NOT_FOUND, f"MQTT is spoken at {self._path}\n")
        else:
            answer = self._socket.accept(request)
        self._socket.send_response(answer)

    def _flush(self) -> None:
        for data in self._socket.data_to_send():
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()
        if self._socket.close_expected():
            self._transport.close()

    # the connection's side: what it uses of a transport

    def write(self, data: bytes) -> None:
        try:
            self._socket.send_binary(data)
        except InvalidState:
            return  # it is closing
        self._flush()

    def close(self) -> None:
        try:
            self._socket.send_close(CloseCode.NORMAL_CLOSURE)
        except InvalidState:
            pass
        else:
            self._flush()
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def can_write_eof(self) -> bool:
        return False  # the close frame is the last word

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_extra_info(self, name: str) -> Any:
        return self._transport.get_extra_info(name)
