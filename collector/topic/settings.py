"""What a topic's settings mean for a telemetry topic: advice, since we change none of them.

Whoever made the topic may have had reasons. But each of these loses data sooner or later, so each
is said, with what to type.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import psutil

PARTITIONS = 3  # a tier each: vital 0, standard 1, detail 2
MOST_OF_DISK = 0.7

Advice = dict[str, str]
"""A sentence a problem, by the label that its metric has."""


class Disk(NamedTuple):
    """A file system that the topic may lie on."""

    mountpoint: str
    bytes: int


def largest_disk() -> Disk | None:
    """The largest local file system: where the broker's data may well be, and nowhere larger."""
    found = []
    for partition in psutil.disk_partitions():
        try:
            disk = os.statvfs(partition.mountpoint)
        except OSError:
            continue
        found.append(Disk(partition.mountpoint, disk.f_blocks * disk.f_frsize))
    return max(found, key=lambda disk: disk.bytes, default=None)


def is_here(host: str) -> bool:
    """Whether a broker's host is this machine, by its name or address."""
    if host in {"localhost", socket.gethostname()}:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def disk_advice(topic_bytes: int, disk: Disk | None) -> str:
    """Say that a topic could fill the disk; nothing where it can't.

    `topic_bytes` is what the topic may take on one broker, which has each partition at most once.
    """
    if disk is None or topic_bytes <= disk.bytes * MOST_OF_DISK:
        return ""
    return (
        f"the telemetry topic may take {_gib(topic_bytes)}, more than {MOST_OF_DISK:.0%} of the "
        f"{_gib(disk.bytes)} of {disk.mountpoint}, the largest file system here: a broker whose "
        f"disk is full stops. Lower topic.max_size, or on a topic that is there its retention.bytes"
    )


def advise(
    topic: str, partitions: int, config: Mapping[str, str], disk: Disk | None = None
) -> Advice:
    """What is wrong with an existing topic. `disk` is the broker's, None when it isn't here."""
    return {problem: text for problem, text in _problems(topic, partitions, config, disk) if text}


def most_record_bytes(config: Mapping[str, str]) -> int | None:
    """How large a record the topic takes, None when that isn't told."""
    return _number(config, "max.message.bytes")


def _problems(
    topic: str, partitions: int, config: Mapping[str, str], disk: Disk | None
) -> Iterator[tuple[str, str]]:
    if partitions < PARTITIONS:
        yield (
            "partitions",
            (
                f"{topic} has {partitions} partitions, and each tier has its own: kafka-topics.sh "
                f"--alter --topic {topic} --partitions {PARTITIONS}"
            ),
        )
    if "compact" in config.get("cleanup.policy", "delete"):
        yield (
            "cleanup.policy",
            f"{topic} is compacted, which our records have no keys for: "
            + _alter(topic, "cleanup.policy=delete"),
        )
    if config.get("retention.ms", "-1") != "-1":
        yield (
            "retention.ms",
            f"{topic} deletes by age (retention.ms={config['retention.ms']}): a step of the clock "
            f"would delete what was not delivered yet: " + _alter(topic, "retention.ms=-1"),
        )
    retention = _number(config, "retention.bytes")
    if retention is not None and retention < 0:
        yield (
            "retention.bytes",
            f"{topic} has no bound and fills the broker's disk: "
            + _alter(topic, "retention.bytes=1431655765"),
        )
    elif retention is not None:
        yield "disk", disk_advice(retention * partitions, disk)
    if config.get("message.timestamp.type", "LogAppendTime") != "LogAppendTime":
        yield (
            "message.timestamp.type",
            f"{topic} refuses records when this clock is far from the broker's "
            f"(message.timestamp.type={config['message.timestamp.type']}): "
            + _alter(topic, "message.timestamp.type=LogAppendTime"),
        )


def _alter(topic: str, setting: str) -> str:
    return f"kafka-configs.sh --alter --topic {topic} --add-config {setting}"


def _number(config: Mapping[str, str], name: str) -> int | None:
    try:
        return int(config[name])
    except (KeyError, ValueError):
        return None


def _gib(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB"
