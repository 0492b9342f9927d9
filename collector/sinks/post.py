"""One HTTP POST to a receiver, with a deadline that holds.

No redirects, which would carry the token away; no retries, which are the pump's; no proxy but the
configured one. The connection is `route.py`'s, the way in `access.py`'s.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from urllib3.connection import HTTPConnection
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from collector import __version__
from collector.errors import ConfigError, Paced
from collector.http.access import Access, Keyring
from collector.http.route import BROKEN, Deadline, Route, cause_of, tls_hint, words
from collector.sinks.reply import MAX_BODY_BYTES, Ambiguous, Reply

DEADLINE_S = 30.0
"""For all of it, from looking up the receiver's name to the last byte of the reply."""

LOOK_S = 5.0
"""For a page that is only good to know."""

HEAD_BYTES = 500
"""About what a request has beside its body, for `rate_limit`."""

_URL_HINT = "write it as https://host/path, without a user in it: token_file is for that"
_READ_BYTES = 4096


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

    Secrets and certificates are what their files say at each request. Belongs to one thread.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        access: Access | None = None,
        *,
        on_exchange: Callable[[Exchange], None] = lambda _: None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        try:
            parts = parse_url(url)
        except LocationParseError:
            raise ConfigError("url of a sink can't be read", _URL_HINT) from None
        if parts.scheme not in {"http", "https"} or not parts.host or parts.auth:
            raise ConfigError("url of a sink is not one to post to", _URL_HINT)
        is_tls = parts.scheme == "https"
        access = access or Access()
        self._keyring = Keyring(access)
        self._route = Route(
            parts.host, parts.port or (443 if is_tls else 80), is_tls=is_tls, keyring=self._keyring
        )
        self.where = self._route.where
        self._path = parts.path or "/"
        self._target = parts.request_uri
        self._headers = {**headers, "User-Agent": f"edgevitals/{__version__}"}
        self._is_relayed = access.proxy is not None and not is_tls
        if self._is_relayed:  # a proxy is asked for the whole address, and passes it on
            self._target = f"http://{self.where}{self._target}"
            self._headers["Host"] = parts.netloc or self.where
        self._rate = access.rate
        self._horizon = access.horizon
        self.on_exchange = on_exchange
        self._deadline_s = deadline_s

    def send(self, body: bytes, more: Mapping[str, str] = MappingProxyType({})) -> Reply:
        """Post a body, with `more` headers, and return the reply, whatever it says.

        Raises Retry when the receiver can't have taken the request, Ambiguous when it may have,
        Paced when `rate_limit` doesn't let it leave yet.
        """
        if self._rate is not None and (wait := self._rate.wait_s()):
            raise Paced(f"rate_limit of this sink lets nothing leave for {wait:.1f} s", after=wait)
        return self._ask("POST", self._target, body, more, self._deadline_s)

    def look(self, path: str) -> Reply:
        """Get another page of the receiver, shortly. Raises Retry."""
        target = f"http://{self.where}{path}" if self._is_relayed else path
        return self._ask("GET", target, None, {}, min(LOOK_S, self._deadline_s))

    @property
    def path(self) -> str:
        """Of the address, without the query."""
        return self._path

    def _ask(
        self, method: str, target: str, body: bytes | None, more: Mapping[str, str], seconds: float
    ) -> Reply:
        headers = {**self._headers, **more, **self._keyring.headers()}
        if self._is_relayed:
            headers |= self._keyring.proxy_headers()
        size = len(body or b"")
        began = time.monotonic()
        code = "unreached"
        try:
            with Deadline(seconds) as deadline:
                connection = self._route.connected(deadline)
                code = "broken"
                if self._rate is not None:
                    self._rate.take(size + HEAD_BYTES)
                reply: Reply | None = None
                connection.timeout = deadline.left_s()
                try:
                    reply = self._exchange(connection, method, target, body, headers)
                except BROKEN as error:
                    if not (deadline.has_passed or isinstance(error, TimeoutError)):
                        raise self._broken(error) from error
                if reply is None or (deadline.has_passed and not reply.is_whole):
                    code = "timeout"
                    raise Ambiguous(f"no answer from {self.where} within {seconds:g} s")
            code = str(reply.status)
        finally:
            if not code.isdigit():
                self.close()
            if body is not None:
                self.on_exchange(Exchange(code, size, time.monotonic() - began))
        if self._horizon is not None:
            self._horizon.heard(reply.headers.get("date"))
        # What a peer echoes must not end in a log.
        return reply._replace(body=self._keyring.shown(reply.body), renewed=self._keyring.renewed)

    def close(self) -> None:
        """End the connection; the next request makes a new one."""
        self._route.close()

    def _broken(self, error: BaseException) -> Ambiguous:
        cause = cause_of(error)
        hint = ""
        if isinstance(cause, ssl.SSLError):  # TLS 1.3 refuses our certificate after the handshake
            self._keyring.certificates.forget()
            hint = tls_hint(cause)
        says = f"the connection to {self.where} broke: {words(error)}"
        return Ambiguous(says, hint, reached=False)

    def _exchange(
        self,
        connection: HTTPConnection,
        method: str,
        target: str,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> Reply:
        is_reusable = True
        try:
            connection.request(method, target, body, headers)
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
            except BROKEN:
                pass
        # Behind a 413 many close without saying so, and the next request would run into that.
        if response.status == 413 or not (is_whole and is_reusable):
            self.close()
        found = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status, found, text[:MAX_BODY_BYTES], is_whole)
