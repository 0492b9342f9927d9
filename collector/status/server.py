"""The status server: a room that answers GET and HEAD, and nothing else.

cheroot is imported when a server is opened: it costs 1.5 MiB, and commands don't need it.
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from collector.errors import ConfigError
from collector.status.pages import HEADERS, Answer, Pages, View

if TYPE_CHECKING:
    from collector.status.listener import Listener

_CHUNK = 64 * 1024  # cheroot copies what it is given twice
_WORTH_GZIP = 1400  # less fits into one packet anyway

log = logging.getLogger(__name__)


def serve(view: View, listen: str, stop: Event) -> None:
    """Answer on `listen` ("HOST:PORT", IPv6 in brackets) until `stop` is set.

    Raises ConfigError when `listen` can't be understood or the address can't be had.
    """
    with opened(view, listen) as server:
        server.run(stop)


@contextmanager
def opened(view: View, listen: str) -> Iterator[StatusServer]:
    """Bind now, answer when `run` is called, close at the end. Raises as `serve` does."""
    server = StatusServer(view, listen)
    try:
        yield server
    finally:
        server.close()


class StatusServer:
    """A bound server. `address` is where it is, also when port 0 was asked for."""

    def __init__(self, view: View, listen: str) -> None:
        from collector.status.listener import Listener  # noqa: PLC0415 - see the module's docstring

        self._listener = Listener(_address(listen), application(Pages(view)))
        _bind(self._listener, listen)
        self.address: tuple[str, int] = self._listener.bind_addr

    def run(self, stop: Event) -> None:
        """Answer until `stop` is set, and once a second cut off those who don't take theirs."""
        accepting = Thread(target=self._listener.serve, name="status-accept", daemon=True)
        accepting.start()
        while not stop.wait(1.0) and accepting.is_alive():
            self._listener.cut_overdue(time.monotonic())
        ended_by_itself = not stop.is_set()
        self.close()
        accepting.join()
        if ended_by_itself:
            raise RuntimeError("the status server ended before it was told to")

    def close(self) -> None:
        """Close the port and every connection. May be called again."""
        self._listener.cut_all()  # no stop waits for a slow client
        self._listener.stop()


def application(pages: Pages) -> Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]:
    """Return the WSGI application (PEP 3333) that answers with `pages`."""

    def respond(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        headers = list(HEADERS)
        if method in {"GET", "HEAD"}:
            answer = _answer(pages, environ["PATH_INFO"])
        else:
            answer = Answer(405, "text/plain; charset=utf-8", b"Only GET and HEAD.\n")
            headers.append(("Allow", "GET, HEAD"))
        body = answer.body
        if len(body) > _WORTH_GZIP and "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
            body = _gzip(body)
            headers += [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
        headers += [("Content-Type", answer.content_type), ("Content-Length", str(len(body)))]
        start_response(f"{answer.code} {HTTPStatus(answer.code).phrase}", headers)
        if method == "HEAD":
            return []
        return (body[at : at + _CHUNK] for at in range(0, len(body), _CHUNK))

    return respond


def _answer(pages: Pages, path: str) -> Answer:
    try:
        return pages.answer(path)
    except Exception:
        # A bug in one page must leave the others and the rounds alone.
        log.exception("the page %s failed", path)
        message = b"This page failed; the log has the traceback. Please report it.\n"
        return Answer(500, "text/plain; charset=utf-8", message)


def _gzip(body: bytes) -> bytes:
    import cramjam  # noqa: PLC0415

    # Level 3: a page of 10,000 lines to a twentieth in 13 ms. Level 6 saves a tenth more in 20.
    return bytes(cramjam.gzip.compress(body, 3))


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        host = ""  # which of the colons is the last of the address can't be known
    if not (colon and host and port.isdecimal() and int(port) < 65536):
        raise ConfigError(
            f"status.listen: {listen!r} is not an address and a port",
            'write it like "127.0.0.1:9464", "[::1]:9464" or, for all addresses, "0.0.0.0:9464"',
        )
    return host, int(port)


def _bind(listener: Listener, listen: str) -> None:
    try:
        listener.prepare()
    except OSError as exc:
        reason = listener.refused or exc
        number = reason.errno
        if number == errno.EADDRINUSE:
            hint = "another process has it: stop that one, or set status.listen to a free port"
        elif number == errno.EADDRNOTAVAIL:
            hint = "this machine has no such address: set status.listen to one that it has"
        elif number == errno.EACCES:
            hint = "ports below 1024 need rights of their own: set status.listen to a higher one"
        else:
            hint = "set status.listen to an address of this machine, like 127.0.0.1:9464"
        why = reason.strerror or str(reason)
        raise ConfigError(f"status.listen: can't listen on {listen}: {why}", hint) from exc
