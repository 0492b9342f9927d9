"""A configured JVM: which engine reads it, where it is, and how to get in.

Passwords and certificates are what their files say now. A changed password counts from the next
session on, changed certificates from the next connection: what is connected stays so.
"""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from collector.config import JmxConfig, JmxTlsConfig
from collector.credentials import Secret
from collector.errors import ConfigError, SourceError
from collector.jmx import tls_context
from collector.names.rules import Rules
from collector.series import TargetSeries
from collector.sources.jmx import JmxSource, JmxTarget
from collector.target import Source

MOST_BYTES: Final = 4 << 20
"""The CAs of a Linux have 0.2 MB."""

_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_TRUSTED: Final = b"-----BEGIN TRUSTED CERTIFICATE-----"
_KEY: Final = b"PRIVATE KEY-----"

_Version = tuple[int, int, int, int]


def jmx_source(jmx: JmxConfig, rules: Rules, series: TargetSeries) -> Source:
    """Return the source for a JVM, with the engine that its configuration names."""
    if jmx.engine == "jmxquery":
        from collector.sources.jmxquery import JmxQuerySource  # noqa: PLC0415 - few need it

        return JmxQuerySource(str(jmx.address), series, rules)
    return JmxSource(jmx_target(jmx), series, rules)


def jmx_target(jmx: JmxConfig) -> JmxTarget:
    """Return what the reader needs. Nothing is read yet; what is read later raises SourceError."""
    return JmxTarget(
        host=jmx.address.host,
        port=jmx.address.port,
        username=jmx.username,
        password=_password(jmx.password_file) if jmx.password_file else None,
        tls=Certificates(jmx.tls).context if jmx.tls else None,
        registry_tls=jmx.registry_tls,
        server_hostname=jmx.tls.server_name if jmx.tls else None,
        rmi_port=jmx.rmi_port,
        follow_stub=jmx.follow_stub,
    )


def _password(path: Path) -> Callable[[], str]:
    secret = Secret(path)

    def read() -> str:
        try:
            return secret.read()
        except ConfigError as error:
            raise SourceError(error.message, error.hint) from error

    return read


class Certificates:
    """A TLS context that follows its files. For one thread."""

    def __init__(self, tls: JmxTlsConfig) -> None:
        self._tls = tls
        self._versions: list[_Version] | None = None
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """Return the context for a new connection, made anew when a file changed.

        Raises SourceError when a file can't be used.
        """
        tls = self._tls
        files = [file for file in (tls.ca_file, tls.cert_file, tls.key_file) if file]
        versions = [_version(file) for file in files]
        if self._context is None or versions != self._versions:
            self._context = self._made()
            self._versions = versions  # those from before the reading: a change meanwhile shows
        return self._context

    def _made(self) -> ssl.SSLContext:
        tls = self._tls
        if tls.ca_file:
            _look_for_certificate(tls.ca_file, _read(tls.ca_file))
        if tls.cert_file:
            _look_for_certificate(tls.cert_file, _read(tls.cert_file))
            _look_for_key(tls.key_file or tls.cert_file)
        try:
            return tls_context(
                ca_file=_text(tls.ca_file),
                certificate_file=_text(tls.cert_file),
                key_file=_text(tls.key_file),
                check_hostname=tls.verify_hostname,
            )
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise SourceError(
                    f"{tls.key_file or tls.cert_file}: not the key of {tls.cert_file}",
                    "name a certificate and the key that it was made with",
                ) from error
            files = ", ".join(str(file) for file in (tls.ca_file, tls.cert_file) if file)
            raise SourceError(
                f"{files}: no certificates that can be used ({error.reason})",
                "look at them with: openssl x509 -noout -text -in FILE",
            ) from error


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _look_for_certificate(path: Path, data: bytes) -> None:
    if _CERTIFICATE not in data and _TRUSTED not in data:
        raise SourceError(
            f"{path}: no certificate in PEM in it",
            "from a Java keystore: keytool -exportcert -rfc -keystore STORE -alias NAME",
        )


def _look_for_key(path: Path) -> None:
    data = _read(path)
    if _KEY not in data:
        raise SourceError(f"{path}: no private key in PEM in it", "name the key's own file")
    if b"ENCRYPTED" in data:  # OpenSSL would ask the terminal for the passphrase, and wait
        raise SourceError(
            f"{path}: the key is encrypted",
            "decrypt it (openssl pkey -in FILE), and let only edgevitals read it: mode 0400",
        )


def _version(path: Path) -> _Version:
    try:
        found = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SourceError(f"{path}: is not a file", "name a file in PEM")
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(data) > MOST_BYTES:
        raise SourceError(f"{path}: more than 4 MiB", "name a file with certificates alone")
    return data


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _unreadable(path: Path, error: OSError) -> SourceError:
    if isinstance(error, FileNotFoundError):
        return SourceError(f"{path}: no such file", "check the path")
    if isinstance(error, PermissionError):
        return SourceError(
            f"{path}: this user may not read it",
            "give the file to the user that edgevitals runs as, with mode 0400",
        )
    return SourceError(f"{path}: can't be read: {error.strerror}", "check the path")
