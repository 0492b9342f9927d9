"""One HTTP GET of a page, with a deadline and bounds that hold.

No redirects, which would carry the token away and name another target; no proxy. What comes
compressed is bounded by what it unfolds to, and a line that doesn't end is not read to its end.
"""

from __future__ import annotations

import ssl
import time
import zlib
from collections.abc import Callable
from http.client import HTTPResponse
from typing import NamedTuple

from urllib3.connection import HTTPConnection
from urllib3.util import parse_url

from collector import __version__
from collector.errors import CollectorError, Retry
from collector.http.access import Access, Keyring
from collector.http.route import BROKEN, Deadline, Route, cause_of, tls_hint, words

_READ_BYTES = 64 << 10
_SHOWN_BYTES = 200


class TooMuch(CollectorError):  # noqa: N818 - of a page, not of ours
    """A page over a bound. `limit` is the bound's name."""

    def __init__(self, message: str, hint: str, *, limit: str) -> None:
        super().__init__(message, hint)
        self.limit = limit


class Page(NamedTuple):
    """An answer with status 200: its body, unfolded, and what it says it is."""

    body: bytes
    content_type: str


class Get:
    """Gets one page, time after time, over one connection that is kept. Belongs to one thread."""

    def __init__(
        self, url: str, access: Access, accept: str, *, body_limit: int, line_limit: int
    ) -> None:
        parts = parse_url(url)
        is_tls = parts.scheme == "https"
        self._keyring = Keyring(access)
        port = parts.port or (443 if is_tls else 80)
        self._route = Route(parts.host or "", port, is_tls=is_tls, keyring=self._keyring)
        self._whose = access.whose
        self._target = parts.request_uri
        self._headers = {
            "Accept": accept,
            "Accept-Encoding": "gzip",
            "User-Agent": f"edgevitals/{__version__}",
        }
        self._body_limit = body_limit
        self._line_limit = line_limit
        self._is_kept = False

    def page(self, deadline: float) -> Page:
        """Return the page as it is now; `deadline` is a `time.monotonic()` value.

        Raises TooMuch for one that is over a bound, Retry for all else that isn't a whole page.
        """
        headers = {**self._headers, **self._keyring.headers()}
        seconds = max(deadline - time.monotonic(), 0.001)
        is_kept, self._is_kept = self._is_kept, False
        limit = Deadline(seconds)
        try:
            with limit:
                page = self._answer(headers, limit, is_kept=is_kept)
        except BROKEN as error:
            raise self._broken(error, limit, seconds) from error
        finally:
            if not self._is_kept:
                self.close()
        return page

    def close(self) -> None:
        """End the connection; the next page makes a new one."""
        self._route.close()

    def _answer(self, headers: dict[str, str], limit: Deadline, *, is_kept: bool) -> Page:
        try:
            response = self._response(headers, limit)
        except BROKEN:
            # A connection that was kept may be closed at any time: a new one is tried.
            if not is_kept or limit.has_passed:
                raise
            self.close()
            response = self._response(headers, limit)
        with response:
            page = self._page(response, limit)
            self._is_kept = response.isclosed() and not response.will_close
        return page

    def _response(self, headers: dict[str, str], limit: Deadline) -> HTTPResponse:
        connection = self._route.connected(limit)
        connection.timeout = limit.left_s()
        if connection.sock is not None:
            connection.sock.settimeout(limit.left_s())
        connection.request("GET", self._target, None, headers)
        # http.client's, which is below urllib3's and reads no more of a body than it is asked for.
        return super(HTTPConnection, connection).getresponse()

    def _page(self, response: HTTPResponse, limit: Deadline) -> Page:
        if response.status != 200:
            raise self._refusal(response)
        encoding = (response.getheader("Content-Encoding") or "identity").strip().lower()
        if encoding not in {"identity", "gzip"}:
            raise Retry(
                f"{self._route.where} sends {encoding!r}, which was not asked for",
                f"look at url of {self._whose}",
            )
        body = self._body(response, is_gzip=encoding == "gzip")
        # Behind the deadline a read ends as if the far side had closed.
        if limit.has_passed or not (response.chunked or response.length in {0, None}):
            raise ConnectionError("it ended in the middle of the page")
        return Page(body, response.getheader("Content-Type") or "")

    def _body(self, response: HTTPResponse, *, is_gzip: bool) -> bytes:
        text = bytearray()
        unfold = _Gzip(response.read) if is_gzip else None
        read: Callable[[int], bytes] = unfold.read if unfold else response.read
        while chunk := read(_READ_BYTES):
            text += chunk
            if len(text) > self._body_limit:
                raise TooMuch(
                    f"a page of more than {self._body_limit} bytes",
                    f"let the far side show less, or raise body_size_limit of {self._whose}",
                    limit="body_size",
                )
            if len(text) - 1 - text.rfind(b"\n") > self._line_limit:
                number = text.count(b"\n") + 1
                raise TooMuch(
                    f"line {number} has more than {self._line_limit} bytes",
                    f"no metric is as long: look at url of {self._whose}",
                    limit="line",
                )
        if unfold is not None and not unfold.is_whole:
            raise ConnectionError("its gzip ended in the middle")
        return bytes(text)

    def _refusal(self, response: HTTPResponse) -> Retry:
        status, where = response.status, self._route.where
        whose = self._whose
        says = self._keyring.shown(response.read(_SHOWN_BYTES)).decode(errors="replace")
        says = " ".join("".join(c if c.isprintable() else " " for c in says).split())
        if 300 <= status < 400:
            to = self._keyring.shown((response.getheader("Location") or "").encode()[:_SHOWN_BYTES])
            return Retry(
                f"{where} answers {status} and names {to.decode(errors='replace')!r}",
                f"redirects are not followed: write the page's own address as url of {whose}",
            )
        hint = {
            401: f"look at token_file, or username and password_file, of {whose}",
            403: f"give our token or user the right to read it, or look at token_file of {whose}",
            404: f"look at the path in url of {whose}",
        }.get(status, f"look at the log of what answers there, or at url of {whose}")
        return Retry(f"{where} answers {status}{': ' if says else ''}{says}", hint)

    def _broken(self, error: BaseException, limit: Deadline, seconds: float) -> Retry:
        cause = cause_of(error)
        where = self._route.where
        if limit.has_passed or isinstance(cause, TimeoutError):
            return Retry(
                f"no whole page from {where} within {seconds:g} s",
                "look at how long it takes there, or make the interval longer",
            )
        hint = f"look at what answers at url of {self._whose}"
        if isinstance(cause, ssl.SSLError):
            self._keyring.certificates.forget()
            hint = tls_hint(cause, self._whose)
        return Retry(f"the connection to {where} broke: {words(error)}", hint)


class _Gzip:
    """Unfolds a stream, never more than asked for at once."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._unfold = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self.is_whole = False

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end. Raises ConnectionError if it isn't gzip."""
        while not self._unfold.eof:
            folded = self._unfold.unconsumed_tail or self._read(size)
            if not folded:
                return b""
            try:
                if text := self._unfold.decompress(folded, size):
                    return text
            except zlib.error as error:
                raise ConnectionError(f"its gzip is damaged: {error}") from error
        self.is_whole = True
        self._read(1)  # to the end, else the connection can't be kept
        return b""
