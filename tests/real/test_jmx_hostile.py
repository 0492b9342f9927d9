"""Servers that mean no good, and links that break: each ends in an error, in time and in bounds."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from time import monotonic

import pytest

import collector.jmx
from collector.jmx import (
    Client,
    JmxError,
    Limits,
    Numbers,
    PeerBrokeProtocol,
    Unreachable,
    tls_context,
)
from tests.lab.java.jvm import Jvm
from tests.lab.proxy import Cut, Proxy
from tests.unit.jmx.captures import BY_NUMBER

ACK = b"\x4e\0\x09127.0.0.1\0\0\xc0\0"
RETURN = b"\x51\xac\xed\0\5\x77\x0f\x01" + bytes(14)
OBJECT_ARRAY = b"\x75\x72\0\4[La;" + bytes(8) + b"\2\0\0\x78\x70"
ITSELF = b"\x73\x72\0\1a" + bytes(8) + b"\2\0\0\x78\x71\0\x7e\0\0"
SHORT = Limits(reply_bytes=1 << 20, held_bytes=1 << 20, items=10_000)


@contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port where each connection is served so; its number."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.settimeout(20)
                serve(connection)

    thread = Thread(target=run, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(20)


def after_ack(*parts: bytes, again: bytes = b"") -> Callable[[socket.socket], None]:
    """Answer the handshake, then send this, and `again` for as long as somebody reads."""

    def serve(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(ACK)
        connection.recv(1000)
        for part in parts:
            connection.sendall(part)
        while again:
            connection.sendall(again)
        connection.recv(1000)

    return serve


def slowly(data: bytes) -> Callable[[socket.socket], None]:
    """Send a byte each time the client must have waited for one; never end."""

    def serve(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(ACK)
        connection.settimeout(0.02)
        for number in range(10_000):
            connection.sendall(data[number % len(data) :][:1])
            with suppress(TimeoutError):
                if not connection.recv(1000):
                    return

    return serve


def closes(connection: socket.socket) -> None:
    connection.recv(100)


def graph() -> bytes:
    """40 arrays that refer twice to the one before: a walk of 2^40 steps."""
    data = OBJECT_ARRAY + b"\0\0\0\2"
    nested = b"".join(
        b"\x75\x71\0\x7e\0\0\0\0\0\2" + struct.pack(">BHH", 0x71, 0x7E, 1 + number) * 1
        for number in range(40)
    )
    return data + nested


HOSTILE = {
    "closes at once": closes,
    "speaks HTTP": lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "no answer after the handshake": after_ack(),
    "endless zeros": after_ack(again=bytes(1000)),
    "endless pings": after_ack(again=b"\x53" * 1000),
    "endless string": after_ack(RETURN + b"\x7c" + struct.pack(">q", 1 << 62), again=b"a" * 9999),
    "negative string": after_ack(RETURN + b"\x7c" + struct.pack(">q", -1)),
    "huge array": after_ack(RETURN + OBJECT_ARRAY + b"\x7f\xff\xff\xff", again=b"\x70" * 9999),
    "negative array": after_ack(RETURN + OBJECT_ARRAY + b"\xff\xff\xff\xff"),
    "endless nulls": after_ack(RETURN, *[OBJECT_ARRAY + b"\0\3\0\0"], again=b"\x70" * 9999),
    "endless empty strings": after_ack(
        RETURN + OBJECT_ARRAY + b"\0\3\0\0", again=b"\x74\0\0" * 3000
    ),
    "endless nesting": after_ack(
        RETURN + OBJECT_ARRAY + b"\0\0\0\1", again=b"\x75\x71\0\x7e\0\0\0\0\0\1" * 1000
    ),
    "endless resets": after_ack(RETURN, again=b"\x79" * 1000),
    "endless class annotations": after_ack(RETURN + OBJECT_ARRAY[:-2], again=b"\x70" * 1000),
    "endless blocks": after_ack(RETURN + OBJECT_ARRAY[:-2], again=b"\x77\0" * 1000),
    "its own superclass": after_ack(RETURN + ITSELF),
    "a bad reference": after_ack(RETURN + b"\x71\xff\xff\xff\xff"),
    "a graph": after_ack(RETURN + graph()),
    "a stub of another kind": after_ack(RETURN + b"\x74\0\3abc"),
    "no head": after_ack(b"\x51\xac\xed\0\5\x77\0"),
    "a long head": after_ack(b"\x51\xac\xed\0\5\x7a\x7f\xff\xff\xff", again=bytes(1000)),
    "a byte at a time": slowly(RETURN + OBJECT_ARRAY + b"\0\0\xff\xff" + b"\x70" * 9999),
}


@pytest.mark.parametrize("serve", HOSTILE.values(), ids=HOSTILE)
def test_f34_a_hostile_server_ends_in_an_error(serve: Callable[[socket.socket], None]):
    with server(serve) as port, Client("127.0.0.1", port, limits=SHORT) as client:
        with pytest.raises(JmxError) as caught:
            client.scrape(monotonic() + 1.0)
        assert len(str(caught.value)) < 600


def test_a_server_that_does_not_answer_in_tls():
    def reads(connection: socket.socket) -> None:
        while connection.recv(1000):
            pass

    context = tls_context()
    with (
        server(reads) as port,
        Client("127.0.0.1", port, tls=context, registry_tls=True) as client,
        pytest.raises(Unreachable, match="TLS handshake"),
    ):
        client.scrape(monotonic() + 0.5)


def test_a_port_that_takes_no_more_connections():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        with (
            socket.create_connection(address),
            Client(*address) as client,
            pytest.raises(Unreachable, match="no connection in time"),
        ):
            client.scrape(monotonic() + 0.5)


def test_f34_a_captured_session_leads_elsewhere_only_when_followed():
    """The stub names its own port: nobody listens there, and nothing is sent to its host."""
    answers = BY_NUMBER["14"].answered
    look_up = answers[answers.index(RETURN[:5]) : answers.rindex(RETURN[:5])]
    with server(after_ack(look_up)) as port, Client("127.0.0.1", port) as client:
        with pytest.raises(Unreachable) as caught:
            client.scrape(monotonic() + 5.0)
        assert f":{port}" not in caught.value.message


@pytest.fixture(scope="module")
def jvm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jvm]:
    with Jvm(tmp_path_factory.mktemp("jvm")) as running:
        yield running


class CutAfter:
    """A tap that cuts the link after so many bytes of answers; once."""

    def __init__(self, proxy: Proxy, size: int) -> None:
        self._proxy = proxy
        self._left = size

    def sent(self, data: bytes) -> None:
        pass

    def received(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            self._left = 1 << 60
            self._proxy.reset()


@pytest.mark.parametrize("size", [50, 300, 5_000, 40_000, 100_000])
def test_a_socket_that_is_lost_in_the_middle_is_made_good(jvm: Jvm, size: int):
    cuts: list[CutAfter] = []

    def tap() -> CutAfter:
        cuts.append(CutAfter(proxy, size if not cuts else 1 << 60))
        return cuts[-1]

    proxy = Proxy(jvm.port, tap)
    selection = Numbers(["many:*"])
    with (
        proxy,
        Client("127.0.0.1", proxy.port, rmi_port=proxy.port, selection=selection) as client,
    ):
        with suppress(Unreachable):  # the login itself is not tried twice in one scrape
            client.scrape(monotonic() + 10.0)
        scrape = client.scrape(monotonic() + 10.0)
        assert len(scrape.readings) == 300
        assert not scrape.failures


def test_a_link_that_hangs_costs_the_scrape_and_the_next_one_comes(jvm: Jvm):
    selection = Numbers(["many:*"])
    with (
        Proxy(jvm.port) as proxy,
        Client("127.0.0.1", proxy.port, rmi_port=proxy.port, selection=selection) as client,
    ):
        assert len(client.scrape(monotonic() + 10.0).readings) == 300
        proxy.cut(Cut.HANG)
        with pytest.raises(Unreachable, match="in time"):
            client.scrape(monotonic() + 0.3)
        proxy.restore()
        scrape = client.scrape(monotonic() + 10.0)
        assert len(scrape.readings) == 300
        assert not scrape.failures


@pytest.mark.parametrize(
    "limits, what",
    [
        (Limits(beans=10), "more than 10 MBeans"),
        (Limits(values=10), "more than 10 values"),
        (Limits(info_bytes=10), "more of themselves"),
        (Limits(items=100), "more than 100 objects"),
    ],
)
def test_f33_f34_a_jvm_with_more_than_is_wanted_says_what_to_do(
    jvm: Jvm, limits: Limits, what: str
):
    selection = Numbers(["many:*", "java.lang:*"])
    with Client("127.0.0.1", jvm.port, limits=limits, selection=selection) as client:
        with pytest.raises(PeerBrokeProtocol, match=what) as caught:
            client.scrape(monotonic() + 20.0)
        assert caught.value.hint


def test_f33_one_mbean_with_more_values_than_allowed_fails_alone(jvm: Jvm):
    selection = Numbers(["odd:type=Open", "odd:type=Changing"])
    with Client("127.0.0.1", jvm.port, selection=selection, limits=Limits(slots=9)) as client:
        for _ in range(2):
            scrape = client.scrape(monotonic() + 20.0)
            assert [layout.bean.name.text for layout, _ in scrape.readings] == ["odd:type=Changing"]
            assert scrape.failures


def test_the_example_of_the_library_runs(jvm: Jvm, capsys: pytest.CaptureFixture[str]):
    text = collector.jmx.__doc__ or ""
    lines = [line[4:] for line in text.splitlines() if line.startswith("    ") or not line.strip()]
    code = "\n".join(lines).replace("9999", str(jvm.port))
    assert "Client(" in code
    exec(compile(code, str(Path(collector.jmx.__file__)), "exec"), {})
    assert "java.lang:type=Memory HeapMemoryUsage used" in capsys.readouterr().out
