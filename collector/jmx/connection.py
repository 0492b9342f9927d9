"""A socket to a JVM: the only file of this library that does I/O.

Everything has one deadline, a `time.monotonic()` value: a peer that sends a byte a second gets no
more time than one that sends none.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from typing import Final, TypeVar

from collector.jmx.errors import JmxError, PeerBrokeProtocol, Unreachable
from collector.jmx.exchange import Exchange
from collector.jmx.javastream import Decoder
from collector.jmx.jrmp import HANDSHAKE, address_after_ack, read_ack
from collector.jmx.limits import Limits

Tls = ssl.SSLContext | Callable[[], ssl.SSLContext] | None
"""A context, or a function that makes one, so that certificates may change while we run."""

_T = TypeVar("_T")
_R = TypeVar("_R")
_WAIT_S: Final = 0.5
_BATCH: Final = 4096
_BATCH_WAIT_S: Final = 0.02
_RECEIVE: Final = 1 << 16
_WHICH_PORT: Final = "Check host and port, and that the JVM was started with a JMX port"


class Connection:
    """An open connection that speaks JRMP. `host` may be an IPv6 address in brackets."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        deadline: float,
        limits: Limits,
        tls: Tls = None,
        server_hostname: str | None = None,
    ) -> None:
        host = host.removeprefix("[").removesuffix("]")
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._host = host
        self._port = port
        self.has_tls = tls is not None
        self.sent_bytes = 0
        self.received_bytes = 0
        self._wakes_at = 1
        self.decoder = Decoder(limits)
        self._socket = self._connect(host, port, deadline)
        try:
            if tls is not None:
                self._start_tls(tls() if callable(tls) else tls, server_hostname or host, deadline)
            self._shake_hands(deadline)
        except BaseException:
            self.close()
            raise

    def run(self, exchange: Exchange, deadline: float) -> None:
        """Send and receive until each question has its answer. After an error: close it."""
        while not exchange.done:
            if requests := exchange.to_send():
                self._send(requests, deadline)
            if not self.has_tls:
                self._wake_at(_BATCH if exchange.expected_bytes() >= 2 * _BATCH else 1)
            exchange.receive(self._receive(deadline))

    def goes_to(self, host: str, port: int, *, has_tls: bool) -> bool:
        host = host.removeprefix("[").removesuffix("]")
        return (self._host, self._port, self.has_tls) == (host, port, has_tls)

    def close(self) -> None:
        self._socket.close()

    def _connect(self, host: str, port: int, deadline: float) -> socket.socket:
        problem: OSError | None = None
        try:
            # The resolver has time-outs of its own (resolv.conf); Python can't bound it.
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise Unreachable(
                f"{self.address}: no such host ({error.strerror})", _WHICH_PORT
            ) from error
        for family, kind, protocol, _, address in found:
            wait = _left(deadline, self.address)
            one = socket.socket(family, kind, protocol)
            try:
                one.settimeout(wait)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                one.connect(address)
            except OSError as error:
                one.close()
                problem = error
            else:
                return one
        if isinstance(problem, TimeoutError):
            raise Unreachable(f"{self.address}: no connection in time", _WHICH_PORT) from problem
        reason = problem.strerror if problem else "no address"
        raise Unreachable(f"{self.address}: {reason}", _WHICH_PORT) from problem

    def _start_tls(self, context: ssl.SSLContext, name: str, deadline: float) -> None:
        self._socket.settimeout(_left(deadline, self.address))
        try:
            self._socket = context.wrap_socket(self._socket, server_hostname=name)
        except OSError as error:
            raise _tls_failed(self.address, error) from error

    def _shake_hands(self, deadline: float) -> None:
        self._send(HANDSHAKE, deadline)
        reading = read_ack(self.decoder)
        try:
            while True:
                try:
                    next(reading)
                except StopIteration:
                    break
                self.decoder.buffer += self._receive(deadline)
        except PeerBrokeProtocol as error:
            raise PeerBrokeProtocol(
                f"{self.address}: {error.message}", error.hint, wants_tls=error.wants_tls
            ) from error
        except Unreachable as error:
            raise _no_handshake(self.address, self.has_tls, error) from error
        self._send(address_after_ack(), deadline)

    def _send(self, data: bytes, deadline: float) -> None:
        left = memoryview(data)
        while left:
            left = left[self._try(self._socket.send, left, deadline) :]
        self.sent_bytes += len(data)

    def _receive(self, deadline: float) -> bytes:
        data = self._try(self._socket.recv, _RECEIVE, deadline)
        if not data:
            raise Unreachable(f"{self.address}: the server closed the connection")
        self.received_bytes += len(data)
        return data

    def _wake_at(self, size: int) -> None:
        """Let a receive wait for so many bytes, as the server writes each answer by itself.

        On a full scrape of a broker that is 3 times fewer turns of both processes.
        """
        if size != self._wakes_at:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)
            self._wakes_at = size

    def _try(self, do: Callable[[_T], _R], what: _T, deadline: float) -> _R:
        while True:
            # Each settimeout is a system call: the usual wait stays as it is.
            usual = _WAIT_S if self._wakes_at == 1 else _BATCH_WAIT_S
            wait = min(usual, _left(deadline, self.address))
            if self._socket.gettimeout() != wait:
                self._socket.settimeout(wait)
            try:
                return do(what)
            except TimeoutError:
                self._wake_at(1)  # fewer bytes came than were expected
            except OSError as error:
                raise _cut(self.address, error) from error


def now() -> float:
    """The clock that deadlines are of."""
    return time.monotonic()


class TooLate(Unreachable):
    """The deadline passed."""


def _left(deadline: float, address: str) -> float:
    left = deadline - now()
    if left <= 0:
        raise TooLate(f"{address}: no answer in time", "Is the JVM busy, stopped, or far away?")
    return left


def _cut(address: str, error: OSError) -> Unreachable:
    if isinstance(error, ssl.SSLError):
        return _tls_failed(address, error)
    return Unreachable(f"{address}: the connection was cut ({error.strerror or error})")


def _no_handshake(address: str, has_tls: bool, error: Unreachable) -> JmxError:
    if isinstance(error, TooLate):
        return TooLate(f"{address}: connected, but no answer to RMI's handshake", _WHICH_PORT)
    if isinstance(error.__cause__, ssl.SSLError):
        return error
    hint = "Is it a JMX port? " + (
        "It speaks TLS; a broker's TLS listener would do the same"
        if has_tls
        else "A broker's own port would do the same; so does a JMX port that wants TLS, at times"
    )
    return PeerBrokeProtocol(f"{address}: the server does not speak Java RMI", hint)


def _tls_failed(address: str, error: OSError) -> Unreachable:
    if isinstance(error, TimeoutError):
        return TooLate(f"{address}: no TLS handshake in time", "Does this port speak TLS?")
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = (
            "The certificate is for another host name: set the server's name, or switch the "
            "host-name check off and pin the CA (Java's clients did not check before JDK 25.0.2)"
            if error.verify_code in (62, 64)
            else "Give the CA that signed it (ca_file)"
        )
        return Unreachable(
            f"{address}: the server's certificate is not trusted ({error.verify_message})", hint
        )
    reason = getattr(error, "reason", None) or error.strerror or type(error).__name__
    if isinstance(error, ssl.SSLEOFError | ConnectionResetError):
        return Unreachable(
            f"{address}: the server closed the connection in the TLS handshake",
            "Is TLS switched on at this port? A registry may be plain while the server is not",
        )
    hint = "Does this port speak TLS?"
    if "ALERT" in str(reason) or "CERTIFICATE" in str(reason):
        hint = "The server may want a client certificate: give certificate_file and key_file"
    return Unreachable(f"{address}: TLS failed ({reason})", hint)


def tls_context(
    *,
    ca_file: str | None = None,
    certificate_file: str | None = None,
    key_file: str | None = None,
    check_hostname: bool = True,
) -> ssl.SSLContext:
    """Make a context that trusts this CA (or this very certificate); None: the system's CAs.

    Certificates of JMX servers often name no host, since Java's own clients never ask: with
    `check_hostname=False` any certificate of that CA will do. Then pin a CA that signs nothing
    else. There is no way to trust every certificate.

    Raises OSError (also for files without a certificate or key in them).
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.check_hostname = check_hostname
    if certificate_file is not None:
        context.load_cert_chain(certificate_file, key_file)
    return context
