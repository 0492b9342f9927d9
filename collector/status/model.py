"""What /status.json says, as types: the server encodes them, `edgevitals status` decodes them.

All times are Unix seconds, all ages and durations seconds. Fields are only ever added, so an older
client reads a newer server and the other way round, where the new field has a default.
"""

from __future__ import annotations

from typing import Literal

import msgspec

PumpState = Literal["idle", "sending", "waiting", "holding"]


class TargetStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One target, as of its last read. `age_seconds` is None before the first one."""

    job: str
    instance: str
    up: bool
    duration_seconds: float | None = None
    samples: int = 0
    error: str | None = None
    age_seconds: float | None = None


class SpoolStatus(msgspec.Struct, frozen=True, kw_only=True):
    """`degraded`: the disk takes no rounds; those that a reader has still to get are in memory."""

    path: str
    bytes: int
    max_bytes: int
    rounds: int
    oldest_at: float | None = None
    writable: bool = True
    error: str | None = None
    degraded: bool = False
    rounds_in_memory: int = 0


class StreamStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A stream's last round. `epoch` is text: JSON readers round integers of 64 bits."""

    tier: str
    epoch: str
    last_seq: int
    last_at: float | None = None


class PumpStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A pump. `holding` means that only a person can end it: `last_error` says how."""

    name: str
    from_: str = msgspec.field(name="from")
    to: str
    state: PumpState
    backlog_rounds: int | None  # None: not known yet
    oldest_at: float | None = None
    last_error: str | None = None
    retries: int = 0
    delivered_rounds: int = 0
    rejected_rounds: int = 0
    next_try_seconds: float | None = None
    eta_seconds: float | None = None  # until the backlog is gone, as it shrinks now


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer. `problems` are sentences for a person, worst first; none means well."""

    version: str
    site: str
    node: str
    started_at: float
    now: float
    interval_seconds: float
    problems: list[str] = []
    targets: list[TargetStatus] = []
    spool: SpoolStatus | None = None
    streams: list[StreamStatus] = []
    pumps: list[PumpStatus] = []
    missed: dict[str, int] = {}
    gaps: dict[str, int] = {}
