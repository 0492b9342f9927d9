"""A TCP proxy on loopback that can be cut: the link between a site and its centre."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable
from enum import Enum
from threading import Event, Lock, Thread
from typing import Protocol

from tests.lab.part import Part
from tests.lab.ports import free_port

HOST = "127.0.0.1"
NO_LINGER = struct.pack("ii", 1, 0)  # close() then sends RST


class Cut(Enum):
    """How a link is cut."""

    REFUSE = "connections end, new ones are refused: the port is closed"
    RESET = "connections are reset, new ones right after they were accepted"
    HANG = "nothing moves, new connections are accepted: what was on its way arrives later"


class Tap(Protocol):
    """Sees the bytes of one connection, each before the far side does, in two threads.

    A number as an answer cuts the connection: so many bytes still pass.
    """

    def sent(self, data: bytes) -> int | None: ...

    def received(self, data: bytes) -> int | None: ...


class Proxy(Part):
    """Listens on a port of its own and passes everything to `target`, a port of this machine.

    `tap` is called for each new connection. `port` is for what must be known before its target.
    """

    def __init__(
        self, target: int, tap: Callable[[], Tap] | None = None, *, port: int | None = None
    ) -> None:
        self.port = port or free_port()
        self._target = target
        self._tap = tap
        self._cut: Cut | None = None
        self._flows = Event()
        self._flows.set()
        self._rate: float | None = None
        self._free_at = 0.0  # when what was sent so far is through
        self._listener: socket.socket | None = None
        self._sockets: set[socket.socket] = set()
        self._threads: list[Thread] = []
        self._changing = Lock()  # listener, sockets, threads

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def start(self) -> None:
        self._listen()

    def stop(self) -> None:
        self.cut(Cut.REFUSE)
        for thread in self._threads:
            thread.join(5.0)

    def cut(self, how: Cut = Cut.REFUSE) -> None:
        """Cut the link until `restore()`."""
        with self._changing:
            self._cut = how
        if how is Cut.HANG:
            self._flows.clear()
            return
        if how is Cut.REFUSE:
            self._close_listener()
        self._drop_connections()
        self._flows.set()

    def reset(self) -> None:
        """Reset every connection that there is; new ones pass."""
        with self._changing:
            sockets = list(self._sockets)
        for one in sockets:
            self._drop(one, reset=True)

    def thin(self, bytes_per_second: float | None) -> None:
        """Let so much through to the target, by all connections together; None: all."""
        with self._changing:
            self._rate = bytes_per_second

    def restore(self) -> None:
        with self._changing:
            self._cut = None
        self._flows.set()
        if self._listener is None:
            self._listen()

    def _listen(self) -> None:
        listener = socket.create_server((HOST, self.port))
        with self._changing:
            self._listener = listener
        self._spawn(self._accept, listener)

    def _close_listener(self) -> None:
        with self._changing:
            listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)  # close() alone would not wake accept()
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return  # closed
            if self._cut is Cut.RESET:
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
                near.close()
            elif self._keep(near):
                self._spawn(self._connect, near)

    def _connect(self, near: socket.socket) -> None:
        self._flows.wait()
        try:
            far = socket.create_connection((HOST, self._target), timeout=10.0)
        except OSError:
            self._drop(near)
            return
        far.settimeout(None)
        if not self._keep(far):
            self._drop(near)
            return
        tap = self._tap() if self._tap else None
        self._spawn(self._pass_on, far, near, tap.received if tap else None)
        self._pass_on(near, far, tap.sent if tap else None, is_to_target=True)

    def _pass_on(
        self,
        giver: socket.socket,
        taker: socket.socket,
        tap: Callable[[bytes], int | None] | None,
        *,
        is_to_target: bool = False,
    ) -> None:
        """Pass bytes on until one side ends; then end both: HTTP needs no half-open ones."""
        try:
            while data := giver.recv(65_536):
                self._flows.wait()
                if is_to_target:
                    time.sleep(self._takes(len(data)))
                most = tap(data) if tap else None
                taker.sendall(data[:most])
                if most is not None:
                    break
        except OSError:
            pass
        finally:
            self._drop(giver)
            self._drop(taker)

    def _takes(self, count: int) -> float:
        """Seconds until so many bytes are through."""
        with self._changing:
            if self._rate is None:
                return 0.0
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + count / self._rate
            return self._free_at - now

    def _drop_connections(self) -> None:
        with self._changing:
            sockets = list(self._sockets)
        for one in sockets:
            self._drop(one, reset=self._cut is Cut.RESET)

    def _keep(self, one: socket.socket) -> bool:
        """Remember a connection, so that a cut ends it; False when the cut came first."""
        with self._changing:
            if self._cut in (Cut.REFUSE, Cut.RESET):
                one.close()
                return False
            self._sockets.add(one)
            return True

    def _drop(self, one: socket.socket, *, reset: bool = False) -> None:
        with self._changing:
            if one not in self._sockets:
                return
            self._sockets.remove(one)
        # shutdown() wakes the thread that waits in recv(); SHUT_RDWR would send FIN before RST.
        with contextlib.suppress(OSError):
            if reset:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            one.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
        one.close()

    def _spawn(self, function: Callable[..., None], *arguments: object) -> None:
        thread = Thread(target=function, args=arguments, name=f"proxy-{self.port}", daemon=True)
        with self._changing:
            self._threads = [known for known in self._threads if known.is_alive()]
            self._threads.append(thread)
            thread.start()
