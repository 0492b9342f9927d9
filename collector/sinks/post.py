"""One HTTP POST to a receiver, with a deadline that holds.

urllib3 makes the connection (names, IPv6, TLS, keep-alive) and nothing else: no redirects, which
would carry the token away, no retries, which are the pump's, no proxy from the environment. Its
time-outs are per read, so that a reply that drips a byte a second would never end: a timer shuts
the socket down instead.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from http.client import HTTPException
from threading import Timer
from types import TracebackType
from typing import NamedTuple, Self

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import parse_url

from collector import __version__
from collector.errors import CollectorError, ConfigError, Retry
from collector.sinks.reply import MAX_BODY_BYTES, Ambiguous, Reply

CONNECT_S = 5.0
"""For each address of the receiver, and once more for TLS."""

DEADLINE_S = 30.0
"""For all of it, from the connection to the last byte of the reply. Looking up the receiver's
name has time-outs of its own, the resolver's: nothing can interrupt it."""

_BROKEN = (OSError, HTTPException, HTTPError)  # what can end an exchange; TLS errors are OSErrors
_URL_HINT = "write it as https://host/path, without a user in it: token_file is for that"
_TOKEN = re.compile(r"[\x21-\x7e]+")
_READ_BYTES = 4096

# A link that forgets idle connections (NAT on mobile links) is noticed between two requests, not
# by the next one waiting in vain for its answer.
_KEEP_ALIVE: list[tuple[int, int, int | bytes]] = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    ),
]


class Exchange(NamedTuple):
    """A request that ended.

    `code` is its HTTP status; else "unreached" when no connection was made, "timeout" when the
    deadline passed, "broken" when the connection ended in the middle.
    """

    code: str
    body_bytes: int
    seconds: float


class Post:
    """Posts bodies to one address, one after the other, over one connection that is kept.

    `token` is asked before each request, so that a new one is used at once. `ca_file` (None: the
    system's authorities) is read again when TLS fails. Belongs to one thread.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        token: Callable[[], str] | None = None,
        *,
        ca_file: str | None = None,
        on_exchange: Callable[[Exchange], None] = lambda _: None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        try:
            parts = parse_url(url)
        except LocationParseError as error:
            raise ConfigError("url of a sink can't be read", _URL_HINT) from error
        if parts.scheme not in {"http", "https"} or not parts.host or parts.auth:
            raise ConfigError("url of a sink is not one to post to", _URL_HINT)
        self._is_tls = parts.scheme == "https"
        self._host = parts.host
        self._port = parts.port or (443 if self._is_tls else 80)
        self._target = parts.request_uri
        self.where = f"{self._host}:{self._port}"
        self._headers = {**headers, "User-Agent": f"edgevitals/{__version__}"}
        self._token = token
        self._ca_file = ca_file
        self._on_exchange = on_exchange
        self._deadline_s = deadline_s
        self._connection: HTTPConnection | None = None
        self._trust: ssl.SSLContext | None = None

    def send(self, body: bytes) -> Reply:
        """Post a body and return the reply, whatever it says.

        Raises Retry when the receiver can't have taken the request, Ambiguous when it may have.
        """
        token = self._read_token()
        authorization = {"Authorization": f"Bearer {token}"} if token else {}
        began = time.monotonic()
        code = "unreached"
        try:
            connection = self._connect()
            code = "broken"
            with _Deadline(connection, began + self._deadline_s) as deadline:
                reply: Reply | None = None
                try:
                    reply = self._exchange(connection, body, {**self._headers, **authorization})
                except _BROKEN as error:
                    if not (deadline.has_passed or isinstance(error, TimeoutError)):
                        words = f"the connection to {self.where} broke: {_words(error)}"
                        raise Ambiguous(words, reached=False) from error
                if reply is None or (deadline.has_passed and not reply.is_whole):
                    code = "timeout"
                    raise Ambiguous(f"no answer from {self.where} within {self._deadline_s:g} s")
            code = str(reply.status)
        finally:
            if not code.isdigit():
                self.close()
            self._on_exchange(Exchange(code, len(body), time.monotonic() - began))
        if token:  # what a peer echoes must not end in a log
            reply = reply._replace(body=reply.body.replace(token.encode(), b"***"))
        return reply

    def close(self) -> None:
        """End the connection; the next request makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _read_token(self) -> str:
        if self._token is None:
            return ""
        try:
            token = self._token()
        except (OSError, CollectorError) as error:
            raise Retry(
                f"the token can't be read: {error}", "look at token_file of this sink", hold=True
            ) from error
        if not _TOKEN.fullmatch(token):
            raise Retry(
                "the token is empty, or has characters that an HTTP header can't carry",
                "write the token alone into the file that token_file names",
                hold=True,
            )
        return token

    def _connect(self) -> HTTPConnection:
        """Return a connection that is open. Raises Retry."""
        if self._connection is not None and self._connection.is_connected:
            return self._connection
        self.close()
        try:
            self._connection = self._new_connection()
            self._connection.connect()
        except _BROKEN as error:
            if isinstance(error, ssl.SSLError):
                self._trust = None
            words = f"{self.where} can't be reached: {_words(error)}"
            raise Retry(words, _hint(error), reached=False) from error
        return self._connection

    def _new_connection(self) -> HTTPConnection:
        if not self._is_tls:
            return HTTPConnection(
                self._host, self._port, timeout=CONNECT_S, socket_options=_KEEP_ALIVE
            )
        if self._trust is None:  # kept: reading the system's authorities costs 50 ms
            self._trust = ssl.create_default_context(cafile=self._ca_file)
        return HTTPSConnection(
            self._host,
            self._port,
            timeout=CONNECT_S,
            socket_options=_KEEP_ALIVE,
            ssl_context=self._trust,
        )

    def _exchange(
        self, connection: HTTPConnection, body: bytes, headers: Mapping[str, str]
    ) -> Reply:
        is_reusable = True
        try:
            connection.request("POST", self._target, body, headers)
        except TimeoutError:
            raise
        except OSError:
            # Who refuses early (413) closes while we are still sending: the answer may be there.
            is_reusable = False
        # http.client's, which is below urllib3's and reads no more of a body than it is asked for.
        with super(HTTPConnection, connection).getresponse() as response:
            text = b""
            is_whole = False
            try:
                while len(text) <= MAX_BODY_BYTES and (chunk := response.read(_READ_BYTES)):
                    text += chunk
                # A head that breaks off looks like one that has ended. So a body without a length,
                # up to the end of the connection, is never known to be whole.
                is_whole = len(text) <= MAX_BODY_BYTES and (
                    response.chunked or response.length == 0
                )
            except _BROKEN:
                pass
        # Behind a 413 many close without saying so, and the next request would run into that.
        if response.status == 413 or not (is_whole and is_reusable):
            self.close()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status, headers, text[:MAX_BODY_BYTES], is_whole)


class _Deadline:
    """Shuts a connection down at a time, whatever it is doing then.

    `at` is a `time.monotonic()` value. Behind shutdown() a read ends at once, in any thread.
    """

    def __init__(self, connection: HTTPConnection, at: float) -> None:
        self.has_passed = False
        self._socket = connection.sock
        seconds = max(at - time.monotonic(), 0.001)
        connection.timeout = seconds  # of single reads and writes; this ends most waits already
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

    def _strike(self) -> None:
        self.has_passed = True
        with contextlib.suppress(OSError):
            # Not SSLSocket's own shutdown, which would change the object under the other thread.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _words(error: BaseException) -> str:
    """What happened, in the words of the system's own error, which stands behind urllib3's."""
    cause = error
    while not isinstance(cause, OSError) and cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {cause.verify_message}"
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause) or type(cause).__name__


def _hint(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "name the authority that signed it in ca_file of this sink, or correct url"
    if isinstance(error, ssl.SSLError):
        return "look at url of this sink: this port may speak http, not https"
    if isinstance(error, FileNotFoundError):
        return "look at ca_file of this sink"
    return ""
