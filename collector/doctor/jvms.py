"""The Kafka brokers that run on this machine, and which of them have a JMX port."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import psutil

_BROKERS = {"kafka.Kafka", "io.confluent.support.metrics.SupportedKafka"}
_PORT = re.compile(r"-Dcom\.sun\.management\.jmxremote\.port=(\d+)")


class Jvm(NamedTuple):
    """A broker's process, who runs it, and its JMX port when its command line names one."""

    pid: int
    user: str
    port: int | None


def brokers() -> Iterator[Jvm]:
    """Look at the process list. Whose command line is hidden from us is passed over."""
    for process in psutil.process_iter(["pid", "username", "cmdline"]):
        found = broker(process.info["pid"], process.info["username"], process.info["cmdline"] or [])
        if found is not None:
            yield found


def broker(pid: int, user: str | None, command: Sequence[str]) -> Jvm | None:
    """Return the broker that a command line starts, None when it starts another thing. Pure."""
    if not _BROKERS & set(command):
        return None
    ports = [int(found[1]) for word in command if (found := _PORT.fullmatch(word))]
    return Jvm(pid, user or "", ports[-1] if ports else None)
