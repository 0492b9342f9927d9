"""What a Prometheus itself says its out-of-order window is, where it lets us look.

A window in our configuration that is longer than the receiver's own is how a backlog is lost in
spite of all: the rounds between the two are sent, and refused. `/api/v1/status/config` has it.
"""

from __future__ import annotations

import re

from collector.sinks.reply import Reply

_DOORS = ("/api/v1/write", "/api/v1/otlp/v1/metrics")
_KEY = re.compile(rb"out_of_order_time_window: *([0-9a-z]+)")
_PART = re.compile(r"(\d+)(ms|[ywdhms])")
_SECONDS = {"y": 31_536_000, "w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}


def page(path: str) -> str | None:
    """Where the configuration is, of a receiver with this door; None for one that has none."""
    for door in _DOORS:
        if path.endswith(door):
            return f"{path.removesuffix(door)}/api/v1/status/config"
    return None


def window_s(reply: Reply) -> float | None:
    """The window that a reply tells, in seconds; None when it tells nothing that we can read."""
    if reply.status != 200 or not reply.body.lstrip().startswith(b"{") or b"yaml" not in reply.body:
        return None
    found = _KEY.search(reply.body)
    if found is None:
        return 0.0 if reply.is_whole else None  # what is 0 is left out
    return seconds(found[1].decode())


def seconds(text: str) -> float | None:
    """A duration as Prometheus writes it: 31d, 1h30m. None for anything else."""
    if text == "0":
        return 0.0
    parts = _PART.findall(text)
    if not parts or "".join(map("".join, parts)) != text:
        return None
    return float(sum(int(amount) * _SECONDS[unit] for amount, unit in parts))
