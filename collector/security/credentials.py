"""Secrets: read from files, read again when a file changes, never shown.

A password that was rotated at a dark site must not need a restart. Kubernetes swaps a symlink under
a mounted secret, others write in place or rename over: inode, size and both times together notice
each of them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from collector.config.kafka_properties import FILE_ENDING
from collector.config.tree import Config
from collector.errors import ConfigError

MAX_BYTES = 64 << 10
"""A private key with its chain has a tenth of it."""

_Version = tuple[int, int, int, int, int]


class Secret:
    """The content of one file, without the line break at its end. Safe for threads.

    `one_line` refuses a break inside it: a token with one would end a header early.
    """

    def __init__(self, path: Path, *, one_line: bool = True) -> None:
        self.path = path
        self._one_line = one_line
        self._reading = Lock()
        self._version: _Version | None = None
        self._text = ""

    def __repr__(self) -> str:
        return f"Secret({str(self.path)!r}, ...)"

    def read(self) -> str:
        """Return what the file holds now.

        Raises ConfigError when it can't be read or holds no secret; the text is never in it. A
        sink makes that a long wait, since the file may come back: nothing is lost to it.
        """
        with self._reading:
            try:
                version = _version(self.path.stat())
                if version != self._version:
                    self._text, self._version = self._read_file()
            except FileNotFoundError:
                raise ConfigError(f"{self.path}: no such file", "write the secret there") from None
            except PermissionError:
                raise ConfigError(
                    f"{self.path}: this user may not read it",
                    "give the file to the user that edgevitals runs as, with mode 0400",
                ) from None
            except OSError as exc:
                raise ConfigError(f"{self.path}: can't be read: {exc.strerror}") from exc
            return self._text

    def _read_file(self) -> tuple[str, _Version]:
        # Opened without waiting: a FIFO with no writer would hold this thread for ever.
        with open(self.path, "rb", opener=_without_waiting) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise ConfigError(f"{self.path}: is not a file", "name a file with the secret")
            data = file.read(MAX_BYTES + 1)
        return self._checked(data), _version(found)

    def _checked(self, data: bytes) -> str:
        if len(data) > MAX_BYTES:
            raise ConfigError(f"{self.path}: more than 64 KiB", "this is not a secret")
        try:
            text = data.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise ConfigError(f"{self.path}: not UTF-8 text", "this is not a secret") from None
        if not text.strip():
            raise ConfigError(f"{self.path}: is empty", "write the secret there")
        if self._one_line and not text.isprintable():
            raise ConfigError(
                f"{self.path}: more than one line, or control characters",
                "write the secret alone, on one line",
            )
        return text


class KafkaProperties(Mapping[str, str]):
    """librdkafka's properties, with every `<property>_file` read into `<property>`.

    librdkafka reads certificates once, when a client is made: after `renew` said that a file is
    another one, whoever uses it makes a new client of what this holds then. For one thread.
    """

    def __init__(self, kafka: Mapping[str, str | Path]) -> None:
        """Raises ConfigError for a file that can't be read."""
        self._kafka = dict(kafka)
        self._versions = self._now()
        self._read = self._made()

    def __getitem__(self, name: str) -> str:
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)

    def __repr__(self) -> str:
        return f"KafkaProperties({list(self._read)})"

    def changed(self) -> bool:
        """Say whether a file is another than before, and there to be read."""
        versions = self._now()
        return versions != self._versions and None not in versions

    def renew(self) -> bool:
        """Take up what files hold now; say whether one is another than before.

        A file that can't be read just now changes nothing: it is about to be replaced.
        """
        versions = self._now()
        if not self.changed():
            return False
        try:
            self._read = self._made()
        except ConfigError:
            return False
        self._versions = versions
        return True

    def _made(self) -> dict[str, str]:
        merged: dict[str, str] = {}
        for name, value in self._kafka.items():
            if isinstance(value, Path):
                merged[name.removesuffix(FILE_ENDING)] = Secret(value, one_line=False).read()
            else:
                merged[name] = value
        return merged

    def _now(self) -> list[_Version | None]:
        """The versions of all files: secrets, certificates, stores and keytabs."""
        paths = [
            Path(value)
            for name, value in self._kafka.items()
            if isinstance(value, Path) or (name.endswith(_FILES) and value)
        ]
        found: list[_Version | None] = []
        for path in paths:
            try:
                found.append(_version(path.stat()))
            except OSError:
                found.append(None)
        return found


_FILES = (".location", "sasl.kerberos.keytab")
"""How properties end whose value is a file (or a directory of certificates)."""


def kafka_properties(config: Config) -> KafkaProperties:
    """Return what a Kafka client is made of. Raises ConfigError for a file that can't be read.

    Ask for each client: it renews what it was made of by itself.
    """
    return KafkaProperties(config.kafka)


def renewed(kafka: Mapping[str, Any]) -> bool:
    """Say whether a new client must be made, since files of these properties are others now."""
    return isinstance(kafka, KafkaProperties) and kafka.renew()


def exposure(path: Path) -> str | None:
    """Say who besides its owner may read a file, or None when nobody may or it isn't there."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
    if mode & stat.S_IROTH:
        return f"readable by everybody ({mode:04o}): chmod 0600"
    if mode & stat.S_IRGRP:
        return f"readable by its group ({mode:04o}): chmod 0600"
    return None


def _version(found: os.stat_result) -> _Version:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
