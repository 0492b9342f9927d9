"""A connection for a question or two: one deadline for all of it, and a bound on what is taken."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from typing import Self

from collector.config import Address

_RECEIVE = 16 << 10


class NoConnection(Exception):  # noqa: N818 - it is what happened
    """There is nobody. `is_refused` as in `Nobody`."""

    def __init__(self, says: str, *, is_refused: bool = False) -> None:
        super().__init__(says)
        self.says = says
        self.is_refused = is_refused


class Ended(Exception):  # noqa: N818
    """The peer closed, or too little came in time: `came` is what did."""

    def __init__(self, came: bytes, *, is_late: bool, says: str = "") -> None:
        super().__init__(says)
        self.came = came
        self.is_late = is_late
        self.says = says


class Line:
    """One TCP connection, with TLS or without. Deadlines are `time.monotonic()` values."""

    def __init__(self, address: Address, deadline: float, *, has_tls: bool = False) -> None:
        """Connect. Raises NoConnection, and Ended when TLS is not what the peer speaks."""
        self._deadline = deadline
        self._socket = _connected(address, deadline)
        if has_tls:
            try:
                self._start_tls(address.host)
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send a question. Raises Ended."""
        try:
            self._socket.settimeout(self._left(b""))
            self._socket.sendall(data)
        except OSError as error:
            raise _ended(b"", error) from error

    def read(self, size: int) -> bytes:
        """Return exactly so many bytes. Raises Ended with those that came."""
        came = b""
        while len(came) < size:
            came += self._some(size - len(came), came)
        return came

    def read_to_end(self, most: int) -> tuple[bytes, bool]:
        """Return what comes until the peer closes, `most` bytes at most; and whether that is all.

        Raises Ended when the deadline passes first.
        """
        came = bytearray()
        while len(came) < most:
            try:
                came += self._some(min(_RECEIVE, most - len(came)), bytes(came[:64]))
            except Ended as end:
                if end.is_late:
                    raise Ended(bytes(came), is_late=True) from end
                return bytes(came), True
        return bytes(came), False

    def _some(self, size: int, came: bytes) -> bytes:
        try:
            self._socket.settimeout(self._left(came))
            data = self._socket.recv(size)
        except OSError as error:
            raise _ended(came, error) from error
        if not data:
            raise Ended(came, is_late=False)
        return data

    def _start_tls(self, host: str) -> None:
        # Whoever answers is only asked what it is: nothing secret is said, and certificates of
        # JMX and Kafka are most often from a CA that this machine does not know.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            self._socket.settimeout(self._left(b""))
            self._socket = context.wrap_socket(
                self._socket, server_hostname=None if _is_ip(host) else host
            )
        except OSError as error:
            raise _ended(b"", error) from error

    def _left(self, came: bytes) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise Ended(came, is_late=True)
        return left


def _connected(address: Address, deadline: float) -> socket.socket:
    try:
        return socket.create_connection(address, timeout=max(0.001, deadline - time.monotonic()))
    except ConnectionRefusedError as error:
        raise NoConnection("nothing listens there", is_refused=True) from error
    except TimeoutError as error:
        raise NoConnection("no connection in time") from error
    except (OSError, UnicodeError) as error:
        says = (error.strerror or "") if isinstance(error, OSError) else ""
        raise NoConnection(says or "not a host name") from error


def _ended(came: bytes, error: OSError) -> Ended:
    if isinstance(error, TimeoutError):
        return Ended(came, is_late=True)
    reason = getattr(error, "reason", None) or error.strerror or type(error).__name__
    return Ended(came, is_late=False, says=str(reason))


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
