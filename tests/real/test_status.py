"""The status server on a real socket, with clients that mean well and clients that don't."""

import http.client
import select
import socket
import subprocess
import threading
from contextlib import ExitStack, contextmanager, suppress

import pytest

from collector.catalog import METRICS, OWN
from collector.errors import ConfigError
from collector.series import Family, Series
from collector.status import listener
from collector.status.exposition import render
from collector.status.server import opened, serve
from tests.lab.ports import free_port
from tests.lab.waiting import wait_for
from tests.unit.status.view import FixedView

GET = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextmanager
def running(view=None, host="127.0.0.1"):
    """A server in a thread of its own; yields it. Fails when its run raised."""
    stop = threading.Event()
    failures = []

    def room(bound):
        try:
            bound.run(stop)
        except BaseException as exc:  # for the test's thread to raise
            failures.append(exc)

    with opened(view or FixedView(), f"{host}:{free_port()}") as bound:
        thread = threading.Thread(target=room, args=[bound])
        thread.start()
        try:
            yield bound
        finally:
            stop.set()
            thread.join()
    assert failures == []


@pytest.fixture(scope="module")
def server():
    with running() as bound:
        yield bound


def get(server, path, method="GET", **headers):
    connection = http.client.HTTPConnection(server.address[0], server.address[1], timeout=30)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def connected(server):
    client = socket.create_connection(server.address, timeout=30)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def everything(client):
    """Read until the server closes; nothing where it resets."""
    chunks = []
    try:
        while chunk := client.recv(65536):
            chunks.append(chunk)
    except ConnectionResetError:
        pass
    return b"".join(chunks)


def is_ready(server):
    """Whether it says so: where an answer has half a second, a busy machine may cut this too."""
    with suppress(OSError, http.client.HTTPException):
        return get(server, "/readyz")[0] == 200
    return False


def is_closed(client):
    return bool(select.select([client], [], [], 0)[0]) and everything(client) == b""


def test_each_path_answers(server):
    for path in ("/", "/metrics", "/healthz", "/readyz", "/status.json"):
        code, headers, body = get(server, path)
        assert (code, int(headers["Content-Length"])) == (200, len(body)), path
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Server"] == "EdgeVitals"
    assert get(server, "/secret")[0] == 404


def test_head_and_other_methods(server):
    code, headers, body = get(server, "/metrics", method="HEAD")
    assert (code, body) == (200, b"")
    assert int(headers["Content-Length"]) > 0
    assert get(server, "/metrics", method="DELETE")[0] == 405


def test_prometheus_finds_nothing_to_say_about_our_own_metrics(promtool):
    samples = [
        (Series(m.name, tuple((label, "x") for label in m.labels), m.family), 1.0)
        for m in OWN.values()
    ]
    check = subprocess.run(
        [promtool, "check", "metrics"],
        input=render(samples),
        capture_output=True,
        check=False,
    )
    assert (check.returncode, check.stdout, check.stderr) == (0, b"", b"")


def test_a_taken_port_is_a_sentence(server):
    host, port = server.address
    with pytest.raises(ConfigError, match="Address already in use") as error:
        serve(FixedView(), f"{host}:{port}", threading.Event())
    assert "free port" in error.value.hint


def test_an_address_of_another_machine_is_a_sentence():
    with pytest.raises(ConfigError, match="no such address"):
        serve(FixedView(), f"192.0.2.1:{free_port()}", threading.Event())


def test_a_name_that_is_none_is_a_sentence():
    with pytest.raises(ConfigError, match=r"can't listen on nowhere\.invalid"):
        serve(FixedView(), f"nowhere.invalid:{free_port()}", threading.Event())


def test_ipv6():
    with running(host="[::1]") as server:
        assert server.address[0] == "::1"
        assert get(server, "/readyz")[0] == 200


def test_a_head_that_comes_in_pieces_is_answered(server):
    with connected(server) as client:
        for at in range(len(GET)):
            client.sendall(GET[at : at + 1])
        assert everything(client).startswith(b"HTTP/1.1 200 OK\r\n")


def test_half_a_head_and_goodbye_is_closed(server):
    with connected(server) as client:
        client.sendall(GET[:-2])
        client.shutdown(socket.SHUT_WR)
        assert everything(client) == b""
    assert get(server, "/readyz")[0] == 200


def test_a_second_request_in_the_same_bytes_gets_no_second_answer(server):
    with connected(server) as client:
        client.sendall(GET * 20)
        assert everything(client).count(b"HTTP/1.1 200 OK") <= 1
    assert get(server, "/readyz")[0] == 200


@pytest.mark.parametrize(
    "request_bytes, code",
    [
        (b"GET / HTTP/1.1\r\n" + b"X-Long: " + b"x" * 9000 + b"\r\n\r\n", b"413"),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n", b"413"),
        (b"\x16\x03\x01 not HTTP\r\n\r\n", b"400"),
        (b"\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n", b"400"),
    ],
)
def test_what_is_too_much_or_not_http_is_refused_and_the_next_is_served(
    server, request_bytes, code
):
    with connected(server) as client:
        client.sendall(request_bytes)
        answer = everything(client)
        # Closing with unread bytes resets the connection: the answer may be lost on the way.
        assert not answer or answer.split()[1] == code
    assert get(server, "/readyz")[0] == 200


def test_f37_slow_clients_take_32_places_and_keep_nobody_out():
    with running() as server, ExitStack() as stack:
        slow = [stack.enter_context(connected(server)) for _ in range(200)]
        for client in slow:
            client.sendall(b"GET /metrics HT")
        for _ in range(20):
            assert get(server, "/metrics")[0] == 200
        still_open = [client for client in slow if not is_closed(client)]
        assert len(still_open) <= listener.MAX_CONNECTIONS
        assert slow[0] not in still_open


def test_f37_a_byte_now_and_then_does_not_extend_the_deadline():
    with running() as server, connected(server) as client:
        server._listener.timeout = 0.3
        client.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        try:
            while not select.select([client], [], [], 0.05)[0]:
                client.sendall(b"x")
        except ConnectionError:
            pass  # closed between the look and the byte
        else:
            assert everything(client) == b""


def test_clients_that_do_not_read_are_cut_off(monkeypatch):
    monkeypatch.setattr(listener, "ANSWER_SECONDS", 0.5)
    big = Family("big")
    view = FixedView(
        samples=[(Series("big", (("n", f"{n:0200}"),), big), 1.0) for n in range(60_000)]
    )
    with running(view) as server, ExitStack() as stack:
        greedy = []
        for _ in range(listener.WORKERS + 1):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(30)
            client.connect(server.address)
            client.sendall(GET)
            greedy.append(client)
        wait_for(lambda: is_ready(server), what="an answer behind those that are cut off")
        whole = len(render(view.samples()))
        for client in greedy[: listener.WORKERS]:
            assert len(everything(client)) < whole


def test_a_stop_waits_for_nobody_and_frees_the_port():
    before = set(threading.enumerate())
    with running() as server, connected(server) as client:
        client.sendall(GET[:10])
        assert get(server, "/readyz")[0] == 200
        assert len(set(threading.enumerate()) - before) > listener.WORKERS
        address = server.address
    assert set(threading.enumerate()) <= before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=30)


def test_a_server_that_never_ran_can_be_closed():
    with opened(FixedView(), f"127.0.0.1:{free_port()}") as server:
        address = server.address
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=30)


def test_many_at_once_all_get_the_whole_page():
    up = METRICS["up"].family
    view = FixedView(samples=[(Series("up", (("n", str(n)),), up), 1.0) for n in range(5000)])
    bodies = []
    with running(view) as server:
        clients = [
            threading.Thread(target=lambda: bodies.append(get(server, "/metrics")[2]))
            for _ in range(16)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    assert bodies == [render(view.samples())] * 16
