"""The configuration: `load` reads a file into a `Config`; `tree.py` says what may stand in it."""

from __future__ import annotations

from collector.config.links import LINK_JOB, LinkConfig
from collector.config.loading import Loaded, load
from collector.config.otlp import OtlpConfig
from collector.config.scalars import Address, FreeSpace
from collector.config.sinks import ProxyConfig, SinkConfig
from collector.config.sources import (
    HostConfig,
    JmxAccess,
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
    "LINK_JOB",
    "PRESETS",
    "TIERS",
    "Address",
    "Config",
    "FreeSpace",
    "HostConfig",
    "JmxAccess",
    "JmxConfig",
    "JmxTlsConfig",
    "KafkaConfig",
    "LinkConfig",
    "Loaded",
    "OtlpConfig",
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
