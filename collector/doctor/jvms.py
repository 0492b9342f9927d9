"""The Kafka brokers that run on this machine, and which of them have a JMX port."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import psutil

from collector.discovery.java import java_process


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
    found = java_process(pid, command)
    if found is None or found.role != "broker":
        return None
    return Jvm(pid, user or "", found.jmx_port)
