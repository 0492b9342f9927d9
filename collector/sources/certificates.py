"""Certificates in files and of listeners: until when they are good, and if that is long enough.

A site may be out of reach for weeks, so "good for ten more days" can be too late to tell anybody:
each is judged against the longest disconnection that is to be expected.

A file is read again when it changes; a listener is looked at once an hour, by a thread that no
round waits for but the first one. What could not be read says so in a sample of its own.
"""

from __future__ import annotations

import logging
import math
import os
import stat
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

from collector import catalog
from collector.config.scalars import Address
from collector.security.x509 import Certificate, certificates, read_certificate
from collector.series import TargetSeries
from collector.sources.handshake import shown_chain
from collector.target import Reading

LOOK_EVERY_S = 3600.0
LOOK_AGAIN_S = 60.0
"""After a listener that could not be read."""
LONGEST_HANDSHAKE_S = 3.0
FIRST_LOOK_S = 5.0
"""How long the first round waits at most until each listener was looked at."""
RESERVE_S = 0.2
MOST_SHOWN = 16
"""Of one file or listener: those that end first. A file of authorities has 150."""
MOST_BYTES = 4 << 20

_DAY_S = 86_400

_EXPIRY, _LEFT, _OUTLIVES, _READABLE, _LEFT_OUT = (
    catalog.OWN[f"edgevitals_certificate{name}"].family
    for name in (
        "_expiry_timestamp_seconds",
        "_left_seconds",
        "_outlives_disconnection",
        "_readable",
        "s_left_out",
    )
)

log = logging.getLogger(__name__)


class _Looked(NamedTuple):
    """What a look gave: certificates, those that end first in front, or why there are none."""

    found: tuple[Certificate, ...] = ()
    error: str = ""


class _Origin:
    """A file or listener: what it showed when it was last looked at."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.looked: _Looked | None = None
        self.found: tuple[Certificate, ...] = ()

    def take(self, looked: _Looked, *, keep: bool) -> None:
        """`keep` what was seen before when nothing could be read now."""
        before = self.looked.error if self.looked else ""
        if looked.error and looked.error != before:
            log.warning("no certificate of %s: %s", self.name, looked.error)
        self.looked = looked
        if not looked.error or not keep:
            self.found = looked.found


class _File(_Origin):
    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path
        self._version: tuple[int, ...] | None = None

    def look(self) -> None:
        version = _version(self._path)
        if self.looked is None or version is None or version != self._version:
            self._version = version
            self.take(_looked_at_file(self._path), keep=False)


class _Listener(_Origin):
    """Written by the thread that looks, read by the one that reads: `looked` is set last."""

    def __init__(self, address: Address) -> None:
        super().__init__(str(address))
        self._address = address
        self._due_at = -math.inf

    def is_due(self, now: float) -> bool:
        return now >= self._due_at

    def look(self) -> None:
        try:
            shown = shown_chain(*self._address, LONGEST_HANDSHAKE_S)
            looked = _read(shown) if shown else _Looked(error="it showed none")
        except (OSError, ValueError) as error:
            looked = _Looked(error=str(error) or type(error).__name__)
        self._due_at = time.monotonic() + (LOOK_AGAIN_S if looked.error else LOOK_EVERY_S)
        # A broker that is down has the certificate that it had.
        self.take(looked, keep=True)


class CertificatesSource:
    """Reads files and listeners."""

    def __init__(
        self,
        series: TargetSeries,
        files: Iterable[Path],
        listeners: Iterable[Address],
        longest_disconnection: float,
    ) -> None:
        """`longest_disconnection` is in seconds."""
        self._series = series
        self._files = [_File(path) for path in dict.fromkeys(files)]
        self._listeners = [_Listener(address) for address in dict.fromkeys(listeners)]
        self._longest_disconnection = longest_disconnection
        self._ids: dict[tuple[str, Certificate], list[int]] = {}
        self._look: Event | None = None
        self._is_closed = Event()

    def read(self, deadline: float) -> Reading:
        """Read everything once; see `collector.target.Source`. Raises nothing of its own."""
        self._look_at_listeners(deadline)
        for file in self._files:
            file.look()
        now = time.time()
        values: dict[int, float] = {}
        for origin in (*self._files, *self._listeners):
            if origin.looked is None:  # its turn comes
                continue
            values[self._series.intern(_READABLE, {"origin": origin.name})] = float(
                not origin.looked.error
            )
            left_out = max(0, len(origin.found) - MOST_SHOWN)
            values[self._series.intern(_LEFT_OUT, {"origin": origin.name})] = float(left_out)
            for certificate in origin.found[:MOST_SHOWN]:
                left_s = certificate.not_after - now
                numbers = (
                    certificate.not_after,
                    # In whole days: it changes once a day, and costs nothing on the wire.
                    math.floor(left_s / _DAY_S) * _DAY_S,
                    left_s >= self._longest_disconnection,
                )
                ids = self._ids_of(origin.name, certificate)
                values.update(zip(ids, map(float, numbers), strict=True))
        return Reading(list(values), list(values.values()))

    def close(self) -> None:
        """A look that is under way ends with the listener it is at, or with the process."""
        self._is_closed.set()

    def _look_at_listeners(self, deadline: float) -> None:
        is_first = any(listener.looked is None for listener in self._listeners)
        if self._look is None or self._look.is_set():
            now = time.monotonic()
            due = [listener for listener in self._listeners if listener.is_due(now)]
            if not due:
                return
            self._look = Event()
            Thread(
                target=self._walk, args=(due, self._look), name="certificates", daemon=True
            ).start()
        if is_first:
            self._look.wait(max(0.0, min(FIRST_LOOK_S, deadline - RESERVE_S - time.monotonic())))

    def _walk(self, due: Sequence[_Listener], is_over: Event) -> None:
        try:
            for listener in due:
                if self._is_closed.is_set():
                    return
                listener.look()
        finally:
            is_over.set()

    def _ids_of(self, origin: str, certificate: Certificate) -> list[int]:
        key = (origin, certificate)
        known = self._ids.get(key)
        if known is None:
            labels = {
                "origin": origin,
                "subject": certificate.subject,
                "issuer": certificate.issuer,
                "serial": certificate.serial,
            }
            families = (_EXPIRY, _LEFT, _OUTLIVES)
            known = [self._series.intern(family, labels) for family in families]
            self._ids[key] = known
        return known


def _looked_at_file(path: Path) -> _Looked:
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return _Looked(error="it is not a file")
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        return _Looked(error=error.strerror or str(error))
    if len(data) > MOST_BYTES:
        return _Looked(error="it has more than 4 MiB")
    try:
        found = certificates(data)
        if found:
            return _read(found)
    except ValueError as error:
        return _Looked(error=str(error))
    return _Looked(
        error="it is no PEM, DER or JKS with a certificate in it. A PKCS#12 hides its "
        "certificates: name the listener that shows them, or export them: "
        "keytool -exportcert -rfc"
    )


def _read(ders: Iterable[bytes]) -> _Looked:
    found = dict.fromkeys(read_certificate(der) for der in ders)
    return _Looked(tuple(sorted(found, key=lambda certificate: certificate.not_after)))


def _version(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
