"""The telemetry topic of a configuration, as a source of rounds for verbs."""

from __future__ import annotations

from collections.abc import Iterator

from collector.config import Config
from collector.flow.mark import Marks
from collector.security.credentials import kafka_properties
from collector.spool.export import Rounds
from collector.topic import scan


def rounds_of(config: Config, since_ms: int | None) -> Iterator[Rounds]:
    """The rounds that the topic holds, repeats and some earlier ones among them.

    Raises Retry, ConfigError.
    """
    assert config.topic_name
    for dictionary, frame in scan.scan(config.topic_name, kafka_properties(config), since_ms):
        yield Rounds(dictionary, frame)


def committed(config: Config, sink: str) -> list[Marks]:
    """The marks of a sink that reads the topic, by partition. Raises Retry, ConfigError."""
    assert config.topic_name
    return scan.committed(config.topic_name, kafka_properties(config), f"edgevitals.{sink}")
