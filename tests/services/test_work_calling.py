"""Whom an exchange speaks to: one who drips an answer is cut off, and no secret is told with what went wrong."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gemel.client.transport import Transport
from gemel.connectors import SecretRef
from gemel.connectors.reach import Reach
from gemel.errors import InvalidDocument
from gemel.platform import Platform
from gemel.services.work.exchange import calling
from gemel.services.work.exchange.calling import Calling, NotNow
from gemel.services.work.exchange.declared import Auth, Exchange, Pull
from gemel.witness.peer import Peer
from tests.connectors.certificates import make_certificate

SECRET = "kept-to-ourselves"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
WHOLE = HEAD + b"Content-Length: 2\r\n\r\n[]"


class Dripping:
    """Takes connections, and answers each a byte at a time."""

    def __init__(self, begin: bytes, drip: bytes, tls: ssl.SSLContext | None = None) -> None:
        self._begin, self._drip, self._tls = begin, drip, tls
        self._over, self.asked = threading.Event(), threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                inner = self._listener.accept()[0]
                with inner if self._tls is None else self._tls.wrap_socket(inner, server_side=True) as one:
                    one.recv(65_536)
                    self.asked.set()
                    one.sendall(self._begin)
                    while self._drip and not self._over.wait(0.05):
                        one.sendall(self._drip)
            except OSError:  # they went
                continue

    def close(self) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()


@pytest.fixture(params=["head", "body"])
def slow(request: pytest.FixtureRequest) -> Iterator[Dripping]:
    begin = HEAD if request.param == "head" else HEAD + b"Content-Length: 1000000\r\n\r\n"
    system = Dripping(begin, b"X-More: a\r\n" if request.param == "head" else b" ")
    yield system
    system.close()


def exchange(port: int, **more: object) -> Exchange:
    pull = Pull(url=f"http://127.0.0.1:{port}/orders")
    fields: dict = {"id": "a", "system": "b", "fields": {"external": "n"}, "pull": pull} | more
    return Exchange(**fields)


def here(folder: Path | None = None) -> Reach:
    return Reach(networks=["127.0.0.0/8"], secrets=folder)


def test_an_answer_that_drips_is_cut_off(slow: Dripping) -> None:
    one = exchange(slow.port, timeout_s=0.4)
    begun = time.monotonic()
    with Calling(one, here()) as speaking, pytest.raises(NotNow, match=r"no whole answer within 0\.4 s"):
        speaking.get(one.pull.url, {})  # type: ignore[union-attr]
    assert time.monotonic() - begun < 300  # all of it would come in half a day


def test_a_run_waits_for_them_so_long_and_no_longer(slow: Dripping, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "MOST_S", 0.4)
    one = exchange(slow.port, timeout_s=300)
    with Calling(one, here()) as speaking:
        for _ in range(2):
            with pytest.raises(NotNow, match="in one run"):
                speaking.get(one.pull.url, {})  # type: ignore[union-attr]


def test_a_partner_that_drips_does_not_keep_the_platform_from_closing(tmp_path: Path) -> None:
    system = Dripping(HEAD + b"Content-Length: 1000000\r\n\r\n", b" ")
    (tmp_path / "gemel.yaml").write_text("webhook_networks: [127.0.0.0/8]\n")
    try:
        with Platform.open(tmp_path) as platform:
            exchanges = platform.work.exchanges
            exchanges.apply([exchange(system.port, kind="invoices", timeout_s=300, every_s=60)])
            assert system.asked.wait(60)
            begun = time.monotonic()
            exchanges.close()
            assert time.monotonic() - begun < calling.LOOK_S + 120
            (ran,) = exchanges.runs("a").items
            assert "the platform closes" in ran.detail
    finally:
        system.close()


def test_it_speaks_over_tls_with_whom_the_name_says(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path / "secrets")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    system = Dripping(WHOLE, b"", context)
    try:
        for host, fine in (("localhost", True), ("127.0.0.1", False)):
            one = exchange(0, pull=Pull(url=f"https://{host}:{system.port}/"), ca="broker.pem")
            with Calling(one, here(tmp_path / "secrets")) as speaking:
                if fine:
                    assert speaking.get(one.pull.url, {}) == []  # type: ignore[union-attr]
                else:
                    with pytest.raises(NotNow, match="ConnectError"):
                        speaking.get(one.pull.url, {})  # type: ignore[union-attr]
    finally:
        system.close()


@pytest.mark.parametrize("secret", [f"{SECRET}\nX", f" {SECRET}", f"{SECRET} ", f"{SECRET}\x00", f"{SECRET}ä"])
def test_a_secret_that_no_header_may_have_is_refused_without_being_told(
    monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    reach = Reach(networks=["127.0.0.0/8"])
    monkeypatch.setattr(reach, "secret", lambda _: secret)
    with pytest.raises(InvalidDocument) as raised:
        Calling(exchange(1, auth=Auth(secret=SecretRef(env="GEMEL_SECRET_A"))), reach)
    assert SECRET not in f"{raised.value} {raised.value.detail} {raised.value.problems} {raised.value.extra}"


def test_what_surrounds_a_secret_does_not_bring_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMEL_SECRET_A", SECRET)
    ref = SecretRef(env="GEMEL_SECRET_A")
    with pytest.raises(InvalidDocument) as refused:
        Calling(exchange(1, auth=Auth(secret=ref, prefix="Bearer\n")), here())
    assert SECRET not in f"{refused.value.detail} {refused.value.problems}"
    system = Dripping(WHOLE, b"")
    try:
        one = exchange(system.port, auth=Auth(secret=ref, header="X Key"))
        with Calling(one, here()) as speaking, pytest.raises(NotNow) as raised:
            speaking.get(one.pull.url, {})  # type: ignore[union-attr]
        assert raised.value.detail == "it cannot be asked: LocalProtocolError"
    finally:
        system.close()


def test_a_token_with_a_line_break_is_not_told_by_who_cannot_send_it() -> None:
    system = Dripping(WHOLE, b"")
    try:
        transport = Transport(f"http://127.0.0.1:{system.port}", f"{SECRET}\n", tls=None, timeout_s=30)
        with Peer(f"http://127.0.0.1:{system.port}", f"{SECRET}\n") as peer:
            for ask in (peer.heads, lambda: transport.request("GET", "/api/v1/me")):
                with pytest.raises(Exception, match="has the token a line break") as raised:
                    ask()
                assert SECRET not in str(raised.value)
                assert raised.value.__suppress_context__
        transport.close()
    finally:
        system.close()
