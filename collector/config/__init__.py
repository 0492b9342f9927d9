"""The configuration: `load` reads a file into a `Config`; `tree.py` says what may stand in it."""

from __future__ import annotations

from collector.config.loading import Loaded, load
from collector.config.scalars import Address, FreeSpace
from collector.config.tree import (
    PRESETS,
    TIERS,
    Config,
    HostConfig,
    JmxConfig,
    JmxTlsConfig,
    KafkaConfig,
    ProxyConfig,
    SinkConfig,
    SourcesConfig,
    SpoolConfig,
    StatusConfig,
    TierName,
    TlsConfig,
    TopicConfig,
)

__all__ = [
    "PRESETS",
    "TIERS",
    "Address",
    "Config",
    "FreeSpace",
    "HostConfig",
    "JmxConfig",
    "JmxTlsConfig",
    "KafkaConfig",
    "Loaded",
    "ProxyConfig",
    "SinkConfig",
    "SourcesConfig",
    "SpoolConfig",
    "StatusConfig",
    "TierName",
    "TlsConfig",
    "TopicConfig",
    "load",
]
