"""A cheroot server that can't be held up by those who talk to it.

cheroot gives each new connection to a worker at once, and the worker waits for the request: with
two workers, two clients that send a byte now and then keep everyone else out. Here a connection
waits in the selector until its whole head has come, which costs no thread, and then a worker can
answer without waiting. What is bounded:

    connections       32; a new one pushes out the one that has waited longest for its head
    head              8 KiB, and all of it within 5 s of the connect
    answer            5 s from the head to the last byte taken by the client
    body of a request none is read; one that is announced gets 413
    requests          one a connection: a scraper comes every 15 s, and a kept connection would
                      take a place among the 32

Only cheroot's public methods are overridden, and no private name of it is used.
"""

from __future__ import annotations

import logging
import socket
import time
from contextlib import suppress
from threading import Lock
from typing import Any

from cheroot.server import HTTPConnection
from cheroot.wsgi import Server

MAX_CONNECTIONS = 32
MAX_HEAD = 8192
HEAD_SECONDS = 5
ANSWER_SECONDS = 5.0
WORKERS = 2

_END_OF_HEAD = b"\r\n\r\n"

log = logging.getLogger(__name__)


class Connection(HTTPConnection):
    """A connection that tells its server when a worker has begun with it, and when it is closed."""

    def communicate(self) -> bool:
        self.server.begun(self)
        return bool(super().communicate())  # type: ignore[no-untyped-call]

    def close(self) -> None:
        self.server.forget(self)
        super().close()
        with suppress(OSError):  # cheroot leaves it open, and with it the descriptor
            self.wfile.close()


class Listener(Server):
    """The bounded server. `prepare()` binds, `serve()` runs until another thread calls `stop()`."""

    ConnectionClass = Connection
    max_request_header_size = MAX_HEAD
    max_request_body_size = 1  # 0 would mean any size
    keep_alive_conn_limit = 0

    def __init__(self, address: tuple[str, int], app: Any) -> None:
        super().__init__(
            address,
            app,
            numthreads=WORKERS,
            max=WORKERS,
            server_name="EdgeVitals",
            request_queue_size=4 * MAX_CONNECTIONS,
            timeout=HEAD_SECONDS,
            shutdown_timeout=1,
        )
        self.refused: OSError | None = None
        self._waiting: dict[Connection, float] = {}  # for their head, oldest first; wall time
        self._answered: dict[Connection, float] = {}  # by a worker; monotonic, inf in the queue
        self._pushed_out: set[Connection] = set()  # cut, and closed when the selector finds it so
        self._connections_lock = Lock()

    def bind(self, family: int, type: int, proto: int = 0) -> socket.socket:  # noqa: A002 - cheroot's name
        """As cheroot's, but keeps the error, whose number its own message loses."""
        sock: socket.socket = self.prepare_socket(
            self.bind_addr, family, type, proto, nodelay=True, ssl_adapter=None
        )
        try:
            sock.bind(self.bind_addr)
        except OSError as exc:
            sock.close()
            self.refused = exc
            raise
        self.socket = sock
        self.bind_addr = sock.getsockname()[:2]
        return sock

    def process_conn(self, conn: Connection) -> None:
        """Take a connection that is new, or of which more has come, and go on with it.

        Called by cheroot in the selector's thread alone, and never waits.
        """
        with self._connections_lock:
            since = self._waiting.pop(conn, None)
            has_place = since is not None or (conn not in self._pushed_out and self._make_room())
        if not has_place:
            conn.close()
            return
        since = since or time.time()
        conn.socket.settimeout(0)
        wanted = conn.socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT)
        try:
            head = conn.socket.recv(MAX_HEAD + 1, socket.MSG_PEEK)
        except BlockingIOError:
            self._wait_for_more(conn, since, 0)
            return
        except OSError:
            conn.close()
            return
        if _END_OF_HEAD in head or len(head) > MAX_HEAD:
            self._give_to_worker(conn)
        elif len(head) < wanted:  # woken without enough bytes: the client will send no more
            conn.close()
        else:
            self._wait_for_more(conn, since, len(head))

    def cut_overdue(self, now: float) -> None:
        """End the answers that a client has not taken in time. `now` is monotonic."""
        with self._connections_lock:
            overdue = [c for c, since in self._answered.items() if now - since > ANSWER_SECONDS]
        for conn in overdue:
            _cut(conn)

    def cut_all(self) -> None:
        """End every answer and everything in the queue, so that `stop()` need not wait."""
        with self._connections_lock:
            answered = list(self._answered)
        for conn in answered:
            _cut(conn)

    def begun(self, conn: Connection) -> None:
        """Called by a connection when a worker turns to it: its time in the queue isn't counted."""
        with self._connections_lock:
            self._answered[conn] = time.monotonic()

    def forget(self, conn: Connection) -> None:
        """Called by a connection that closes."""
        with self._connections_lock:
            self._waiting.pop(conn, None)
            self._answered.pop(conn, None)
            self._pushed_out.discard(conn)

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Send cheroot's messages to the log. Below a warning they are the client's affairs."""
        if level >= logging.WARNING:
            log.log(level, "status server: %s", msg, exc_info=traceback)

    def _wait_for_more(self, conn: Connection, since: float, have: int) -> None:
        # The bytes stay in the kernel, so a plain wait would end at once: ask to be woken only
        # when there is one more than now.
        conn.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, have + 1)
        with self._connections_lock:
            self._waiting[conn] = since
        self.put_conn(conn)
        conn.last_used = since  # cheroot closes it HEAD_SECONDS after this, whatever drips in

    def _give_to_worker(self, conn: Connection) -> None:
        conn.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        conn.socket.settimeout(ANSWER_SECONDS)
        with self._connections_lock:
            self._answered[conn] = float("inf")
        super().process_conn(conn)

    def _make_room(self) -> bool:
        """Make a place for one more. Call with the lock held; False when all are being answered."""
        if len(self._waiting) + len(self._answered) < MAX_CONNECTIONS:
            return True
        oldest = next(iter(self._waiting), None)
        if oldest is None:
            return False
        del self._waiting[oldest]
        self._pushed_out.add(oldest)
        _cut(oldest)  # which wakes the selector, and it closes what has no place
        return True


def _cut(conn: Connection) -> None:
    with suppress(OSError):
        conn.socket.shutdown(socket.SHUT_RDWR)
