"""TLS contexts that follow their files: a certificate that was renewed needs no restart.

What is connected stays so; the next connection has the new one.
"""

from __future__ import annotations

import os
import ssl
import stat
from pathlib import Path
from typing import Final

from collector.config import TlsConfig
from collector.errors import ConfigError

MOST_BYTES: Final = 4 << 20
"""The CAs of a Linux have 0.2 MB."""

_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_TRUSTED: Final = b"-----BEGIN TRUSTED CERTIFICATE-----"
_KEY: Final = b"PRIVATE KEY-----"

_Version = tuple[int, int, int, int]


class Certificates:
    """A TLS context for clients, made of the files of a `tls` section. For one thread.

    Without a `ca_file` the authorities of the system are trusted. There is no way to trust every
    certificate; `verify_hostname=False` takes any host that the authority has signed for.
    """

    def __init__(self, tls: TlsConfig, *, verify_hostname: bool = True) -> None:
        self._tls = tls
        self._verify_hostname = verify_hostname
        self._versions: list[_Version | None] | None = None
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """Return the context for a new connection, made anew when a file changed.

        Raises ConfigError when a file can't be used.
        """
        versions = self._now()
        if self._context is None or versions != self._versions:
            self._context = None
            self._versions = versions  # those from before the reading: a change meanwhile shows
            self._context = self._made()
        return self._context

    def changed(self) -> bool:
        """Say whether a file is another one than when it was last read."""
        return self._versions is not None and self._now() != self._versions

    def forget(self) -> None:
        """Read everything anew for the next connection, also what the system trusts."""
        self._context = None

    def _now(self) -> list[_Version | None]:
        tls = self._tls
        return [_version(file) for file in (tls.ca_file, tls.cert_file, tls.key_file) if file]

    def _made(self) -> ssl.SSLContext:
        tls = self._tls
        if tls.ca_file:
            _look_for_certificate(tls.ca_file, _read(tls.ca_file))
        if tls.cert_file:
            _look_for_certificate(tls.cert_file, _read(tls.cert_file))
            _look_for_key(tls.key_file or tls.cert_file)
        try:
            context = ssl.create_default_context(cafile=tls.ca_file)
            context.check_hostname = self._verify_hostname
            if tls.cert_file:
                context.load_cert_chain(tls.cert_file, tls.key_file)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise ConfigError(
                    f"{tls.key_file or tls.cert_file}: not the key of {tls.cert_file}",
                    "name a certificate and the key that it was made with",
                ) from error
            files = ", ".join(str(file) for file in (tls.ca_file, tls.cert_file) if file)
            raise ConfigError(
                f"{files}: no certificates that can be used ({error.reason})",
                "look at them with: openssl x509 -noout -text -in FILE",
            ) from error
        return context


def _look_for_certificate(path: Path, data: bytes) -> None:
    if _CERTIFICATE not in data and _TRUSTED not in data:
        raise ConfigError(
            f"{path}: no certificate in PEM in it",
            "from a Java keystore: keytool -exportcert -rfc -keystore STORE -alias NAME",
        )


def _look_for_key(path: Path) -> None:
    data = _read(path)
    if _KEY not in data:
        raise ConfigError(f"{path}: no private key in PEM in it", "name the key's own file")
    if b"ENCRYPTED" in data:  # OpenSSL would ask the terminal for the passphrase, and wait
        raise ConfigError(
            f"{path}: the key is encrypted",
            "decrypt it (openssl pkey -in FILE), and let only edgevitals read it: mode 0400",
        )


def _version(path: Path) -> _Version | None:
    try:
        found = path.stat()
    except OSError:
        return None  # reading it says why
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError(f"{path}: is not a file", "name a file in PEM")
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{path}: more than 4 MiB", "name a file with certificates alone")
    return data


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _unreadable(path: Path, error: OSError) -> ConfigError:
    if isinstance(error, FileNotFoundError):
        return ConfigError(f"{path}: no such file", "check the path")
    if isinstance(error, PermissionError):
        return ConfigError(
            f"{path}: this user may not read it",
            "give the file to the user that edgevitals runs as, with mode 0400",
        )
    return ConfigError(f"{path}: can't be read: {error.strerror}", "check the path")
