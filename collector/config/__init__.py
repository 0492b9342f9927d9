"""The configuration: `load` reads a file into a `Config`; `tree.py` says what may stand in it."""

from __future__ import annotations

from collector.config.loading import Loaded, load
from collector.config.scalars import Address, FreeSpace
from collector.config.sinks import ProxyConfig, SinkConfig
from collector.config.sources import (
    HostConfig,
    JmxConfig,
    JmxTlsConfig,
    KafkaConfig,
    ScrapeConfig,
    SourcesConfig,
)
from collector.config.tls import TlsConfig
from collector.config.tree import (
    PRESETS,
    TIERS,
    Config,
    SpoolConfig,
    StatusConfig,
    TierName,
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
    "ScrapeConfig",
    "SinkConfig",
    "SourcesConfig",
    "SpoolConfig",
    "StatusConfig",
    "TierName",
    "TlsConfig",
    "TopicConfig",
    "load",
]
