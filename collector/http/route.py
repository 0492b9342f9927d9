"""One connection to a receiver: its name looked up, through the proxy, with TLS, and a deadline.

urllib3 has the TLS and the proxy's CONNECT. The name is looked up by us (`resolver.py`) anew for
each connection, and every address that it has is tried. Nothing here follows the environment.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
import time
from collections.abc import Callable
from http.client import HTTPException
from threading import Lock, Timer
from types import TracebackType
from typing import Self

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from collector.errors import ConfigError, Retry
from collector.http.access import Keyring
from collector.http.resolver import Resolver

CONNECT_S = 5.0
"""For looking up the name, for each address, and for each answer of the proxy and of TLS."""

BROKEN = (OSError, HTTPException, HTTPError)  # what can end an exchange; TLS errors are OSErrors

# A link that forgets idle connections (NAT on mobile links) is noticed between two requests, not
# by the next one waiting in vain for its answer.
_KEEP_ALIVE: list[tuple[int, int, int]] = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    ),
]
_TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})")
_OUR_CERTIFICATE = re.compile(
    r"CERTIFICATE_REQUIRED|ALERT_(?:BAD|UNSUPPORTED)_CERTIFICATE|ALERT_CERTIFICATE|"
    r"ALERT_UNKNOWN_CA|ALERT_HANDSHAKE_FAILURE|ALERT_ACCESS_DENIED"
)


class Deadline:
    """Shuts a connection down when its time is over, whatever it is doing then.

    Time-outs of a socket are for each read: a peer that drips a byte a second would never end.
    Behind shutdown() a read ends at once, in any thread.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.has_passed = False
        self._at = time.monotonic() + seconds
        self._changing = Lock()
        self._handle: socket.socket | None = None
        self._timer = Timer(seconds, self._strike)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        self._let_go()

    def left_s(self) -> float:
        return max(self._at - time.monotonic(), 0.001)

    def guard(self, one: socket.socket) -> None:
        """Shut this connection down at the time. It may become TLS meanwhile, or be closed."""
        # A handle of our own: wrapping it in TLS takes the socket away from its object, and
        # SSLSocket's own shutdown would change the object under the other thread.
        handle = socket.socket(fileno=os.dup(one.fileno()))
        self._let_go()
        with self._changing:
            self._handle = handle
        if self.has_passed:
            self._strike()

    def _strike(self) -> None:
        self.has_passed = True
        with self._changing, contextlib.suppress(OSError):
            if self._handle is not None:
                self._handle.shutdown(socket.SHUT_RDWR)

    def _let_go(self) -> None:
        with self._changing:
            if self._handle is not None:
                self._handle.close()
                self._handle = None


class Route:
    """Makes connections to one place, one after the other. Belongs to one thread.

    `host` is as a URL has it; IPv6 in brackets.
    """

    def __init__(self, host: str, port: int, *, is_tls: bool, keyring: Keyring) -> None:
        self.where = f"{host}:{port}"
        self._host = host.strip("[]")
        self._port = port
        self._is_tls = is_tls
        self._keyring = keyring
        self._whose = keyring.access.whose
        proxy = keyring.access.proxy
        self._via = "" if proxy is None else f"{proxy.host}:{proxy.port}"
        near = (proxy.host, proxy.port) if proxy else (self._host, self._port)
        self._resolver = Resolver(*near)
        self._connection: HTTPConnection | None = None

    def connected(self, deadline: Deadline) -> HTTPConnection:
        """Return a connection that is open, the one from before if it still is. Raises Retry."""
        one = self._connection
        if one is not None and one.is_connected and not self._keyring.certificates.changed():
            if one.sock is not None:
                try:
                    deadline.guard(one.sock)
                except OSError as error:  # no descriptor is left
                    raise self._unreached(error, deadline) from error
            return one
        self.close()
        proxy_headers = self._keyring.proxy_headers()
        try:
            self._connection = one = self._made(deadline)
            if self._via and self._is_tls:
                one.set_tunnel(self._host, self._port, proxy_headers)
            one.connect()
        except ConfigError as error:
            says = f"look at tls of {self._whose}: {error.hint}"
            hold = Retry(error.message, says, hold=True, reached=False)
            hold.renewed = self._keyring.renewed
            raise hold from error
        except BROKEN as error:
            self.close()
            raise self._unreached(error, deadline) from error
        return one

    def close(self) -> None:
        """End the connection; the next request makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _made(self, deadline: Deadline) -> HTTPConnection:
        def dial() -> socket.socket:
            one = _dialled(self._resolver, deadline)
            deadline.guard(one)
            return one

        near = (self._resolver.host, self._resolver.port)
        if not self._is_tls:
            return _Plain(*near, dial)
        certificates = self._keyring.certificates
        return _Secure(*near, dial, certificates.context(), self._keyring.access.tls.server_name)

    def _unreached(self, error: BaseException, deadline: Deadline) -> Retry:
        if isinstance(error, ssl.SSLError):
            self._keyring.certificates.forget()  # what the system trusts may be new
        via = f" through the proxy {self._via}" if self._via else ""
        what = "no answer in time" if deadline.has_passed else words(error)
        refused = _TUNNEL_REFUSED.search(str(error))
        status = int(refused[1]) if refused else 0
        hint = self._proxy_hint(status) if refused else self._hint(error)
        # A proxy that says 5xx can't get through either; what else it says is for a person.
        is_hold = bool(refused) and status < 500
        return Retry(
            f"{self.where} can't be reached{via}: {what}", hint, hold=is_hold, reached=False
        )

    def _proxy_hint(self, status: int) -> str:
        if status == 407:
            return f"look at username and password_file below proxy of {self._whose}"
        return f"let the proxy pass CONNECT to {self.where}, or look at proxy of {self._whose}"

    def _hint(self, error: BaseException) -> str:
        if isinstance(error, ssl.SSLError):
            return tls_hint(error, self._whose)
        if isinstance(cause_of(error), socket.gaierror):
            key = "proxy" if self._via else "url"
            return f"look at the host in {key} of {self._whose}, and at /etc/resolv.conf"
        return f"look at proxy of {self._whose}" if self._via else ""


class _Plain(HTTPConnection):
    """urllib3 would look the name up itself, for as long as that takes."""

    def __init__(self, host: str, port: int, dial: Callable[[], socket.socket]) -> None:
        super().__init__(host, port, timeout=CONNECT_S)
        self._dial = dial

    def _new_conn(self) -> socket.socket:
        return self._dial()


class _Secure(HTTPSConnection):
    def __init__(
        self,
        host: str,
        port: int,
        dial: Callable[[], socket.socket],
        context: ssl.SSLContext,
        server_name: str | None,
    ) -> None:
        super().__init__(
            host, port, timeout=CONNECT_S, ssl_context=context, server_hostname=server_name
        )
        self._dial = dial

    def _new_conn(self) -> socket.socket:
        return self._dial()


def _dialled(resolver: Resolver, deadline: Deadline) -> socket.socket:
    """Connect to the first address that answers. Raises OSError, the last address's."""
    addresses = resolver.addresses(min(CONNECT_S, deadline.left_s()))
    failure: OSError = socket.gaierror(socket.EAI_NODATA, "the name has no address")
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        one: socket.socket | None = None
        try:
            one = socket.socket(address.family, socket.SOCK_STREAM)
            for level, option, value in _KEEP_ALIVE:
                one.setsockopt(level, option, value)
            one.settimeout(min(CONNECT_S, deadline.left_s() / left))
            one.connect(address.at)
        except OSError as error:
            failure = error
            if one is not None:
                one.close()
        else:
            one.settimeout(CONNECT_S)
            return one
    raise failure


def cause_of(error: BaseException) -> BaseException:
    """Return the system's own error, which stands behind urllib3's."""
    cause = error
    while not isinstance(cause, OSError) and cause.__cause__ is not None:
        cause = cause.__cause__
    return cause


def words(error: BaseException) -> str:
    """What happened, in the words of the system."""
    cause = cause_of(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {cause.verify_message}"
    if isinstance(cause, TimeoutError):
        return "no answer in time" if cause.errno else str(cause) or "no answer in time"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause) or type(cause).__name__


def tls_hint(error: ssl.SSLError, whose: str = "this sink") -> str:
    """What a person can do about TLS that failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        says = error.verify_message
        if "expired" in says or "not yet valid" in says:
            return "renew the receiver's certificate, or look at the clock of this machine"
        if "match" in says or "mismatch" in says:
            return f"correct url of {whose}, or write the certificate's name as tls.server_name"
        return f"name the authority that signed it as tls.ca_file of {whose}, or correct url"
    if _OUR_CERTIFICATE.search(error.reason or ""):
        return (
            "the receiver does not accept our certificate: look at tls.cert_file and tls.key_file "
            f"of {whose}"
        )
    return f"look at url of {whose}: this port may speak http, not https"
