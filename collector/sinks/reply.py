"""What a receiver's reply means: done, retry or rejected. Nothing here does I/O.

    2xx, empty or plain body          done
    2xx with a page, or too long      retry: not the receiver, a captive portal or a proxy
    3xx                               hold: never followed, the token would go along
    400 409 422                       rejected
    401 403 404 405 407 415           hold: only a person can end it, nothing is dropped
    413                               too large: the sender halves the request
    408 425 429 5xx                   retry, when Retry-After says
    any other 4xx                     hold

Peers drop the data on most rows of this table (Prometheus on 401 and 429); here only what is
rejected leaves the line, and is kept. 502 and 504 are a proxy's words for a connection that broke
and a time-out: as after our own, nobody knows if the receiver stored the request (`Ambiguous`).

Remote write 1.0: https://prometheus.io/docs/specs/prw/remote_write_spec/#retries-backoff
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import NamedTuple

from collector.errors import DeliveryError, Rejected, Retry

MAX_BODY_BYTES = 64 << 10
"""Of a reply: more is not read. What receivers answer fits into a tenth of it."""

SHOWN_BYTES = 1 << 10
"""Of a reply's body that become part of an error message."""

_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 1.0, 900.0

_HOLDS = {
    401: "the receiver does not accept our credentials: look at token_file, or username and "
    "password_file, of this sink",
    403: "we may not write here: give our token or user the right to, or look at token_file, or "
    "username and password_file, of this sink",
    404: "nothing takes remote write at this address: look at url of this sink, and start "
    "Prometheus with --web.enable-remote-write-receiver",
    405: "this address is no remote write endpoint: look at the path in url of this sink",
    407: "a proxy on the way does not accept our credentials: look at username and password_file "
    "below proxy of this sink",
    415: "the receiver does not take this protocol, or this compression: look at url, protocol and "
    "compression of this sink",
}

# Prometheus, Thanos, Cortex in words, Mimir by the ids of its errors.
_HAS_NEWER = re.compile(r"out[ -]of[ -]order|duplicate[ -](sample|timestamp)", re.IGNORECASE)
_TOO_OLD = re.compile(r"out[ -]of[ -]bounds|too[ -]old", re.IGNORECASE)


class Ambiguous(Retry):
    """Keep the batch and send it again: the receiver may already have stored a part of it."""


class Unsupported(Retry):
    """The receiver doesn't take this protocol or compression (415). Held if there is no other."""


class Unconfirmed(Ambiguous):
    """A 2xx without the word of remote write 2.0 that all samples were written."""


class Refused(Rejected):
    """A refusal of which the receiver says whether it has kept anything of the request."""

    def __init__(self, why: Rejected, *, is_all: bool) -> None:
        super().__init__(why.message, why.hint, reason=why.reason)
        self.is_all = is_all


class TooLarge(DeliveryError):  # noqa: N818
    """The receiver takes smaller requests only."""


class Reply(NamedTuple):
    """`headers` has lower-case or case-insensitive names; `body` is at most MAX_BODY_BYTES.

    `is_whole` is False when the body was longer, or broke off. `renewed` says whether the
    credentials that were sent are others by now.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool = True
    renewed: Callable[[], bool] | None = None


def judge(reply: Reply, now: float) -> None:
    """Return when the receiver has the data; else raise.

    `now` is Unix time, for a Retry-After that is a date. Raises Retry (Ambiguous is one),
    Rejected, TooLarge. A hold ends early when the credentials are others.
    """
    try:
        _judge(reply, now)
    except Retry as why:
        if why.hold:
            why.renewed = reply.renewed
        raise


def _judge(reply: Reply, now: float) -> None:
    status = reply.status
    says = f"the receiver answered {_title(status)}{_quoted(reply.body)}"
    if 200 <= status < 300:
        _must_be_a_receivers(reply)
    elif 300 <= status < 400:
        raise Retry(
            f"{says}, a redirect to {_location(reply)}",
            "redirects are not followed, the token would go along: write the right address into "
            "url of this sink",
            hold=True,
        )
    elif status in {400, 409, 422}:
        raise Rejected(says, reason=f"http_{status}")
    elif status == 413:
        raise TooLarge(says)
    elif status in {502, 504}:
        raise Ambiguous(says, after=retry_after(reply, now))
    elif status in {408, 425, 429} or 500 <= status < 600:
        raise Retry(says, after=retry_after(reply, now))
    elif status == 415:
        raise Unsupported(says, _HOLDS[415], hold=True)
    elif 400 <= status < 500:
        hint = _HOLDS.get(
            status, "look at url of this sink, and at what stands before the receiver"
        )
        raise Retry(says, hint, hold=True)
    else:
        raise Ambiguous(says, "this is no answer that HTTP knows: look at url of this sink")


def is_already_stored(refusal: Rejected) -> bool:
    """Say whether one round was refused because its series have it, or a newer one, already.

    Of a batch that was sent before, whose newer rounds only that attempt can have brought. "Out of
    bounds" and "too old" say less: other sites' samples decide those, so the round may be missing.
    Thanos answers 409 to all of these, with words that differ.
    """
    says = refusal.message
    if _HAS_NEWER.search(says):
        return True
    return refusal.reason == "http_409" and not _TOO_OLD.search(says)


def retry_after(reply: Reply, now: float) -> float | None:
    """The wait that the receiver asks for, between a second and a quarter of an hour.

    None when it names none, or nothing that RFC 9110 allows. A date counts from the reply's own
    Date: our clock may be wrong.
    """
    text = reply.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        seconds = float(text[:10])
    else:
        until = _http_date(text)
        if until is None:
            return None
        began = _http_date(reply.headers.get("date", ""))
        seconds = until - (now if began is None else began)
    return min(max(seconds, _SHORTEST_WAIT_S), _LONGEST_WAIT_S)


def clean(data: bytes) -> str:
    """Text from afar, fit for a log line: one line, at most SHOWN_BYTES, nothing that controls."""
    text = data[:SHOWN_BYTES].decode(errors="replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _must_be_a_receivers(reply: Reply) -> None:
    """Raise unless a 2xx comes from a receiver: those say nothing, or a few plain words."""
    headers = reply.headers
    is_page = "html" in headers.get("content-type", "").lower() or reply.body.lstrip()[:1] == b"<"
    is_packed = reply.body and headers.get("content-encoding", "identity").lower() != "identity"
    if is_page or is_packed:
        raise Retry(
            f"something that is no receiver answered {_title(reply.status)}{_quoted(reply.body)}",
            "a captive portal or a login page is on the way, or url of this sink is a web page's",
        )
    if not reply.is_whole:
        raise Ambiguous(
            f"the answer {_title(reply.status)} is broken or has more than {MAX_BODY_BYTES} bytes",
            "a receiver says less: look at url of this sink, and at proxies on the way",
        )


def _title(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _quoted(body: bytes) -> str:
    text = clean(body)
    return f": {text}" if text else ""


def _location(reply: Reply) -> str:
    """Where a redirect points to, without what may be secret: user and query."""
    target = clean(reply.headers.get("location", "").encode())
    return re.sub(r"//[^/@]*@", "//", target.partition("?")[0]) or "nowhere"


def _http_date(text: str) -> float | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if date.tzinfo is None:  # "-0000": UTC, says RFC 5322
        date = date.replace(tzinfo=timezone.utc)  # noqa: UP017
    return date.timestamp()
