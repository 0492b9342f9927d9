from __future__ import annotations

from threading import Event

import msgspec
import pytest

from collector.config import Config, HostConfig, SinkConfig, SourcesConfig, SpoolConfig, TopicConfig
from collector.errors import ConfigError
from collector.reload import Reload, must_not_differ

NOW = Config(site="store-1")


class Asked:
    """A process that runs `NOW`; `wanted` is what its file says."""

    def __init__(self) -> None:
        self.wanted: Config | ConfigError = NOW
        self.in_force: list[Config] = []
        self.signal = Event()
        self.reload = Reload(NOW, self.read, self.signal)

    def read(self) -> Config:
        if isinstance(self.wanted, ConfigError):
            raise self.wanted
        return self.wanted

    def hup(self, wanted: Config | ConfigError) -> None:
        self.wanted = wanted
        self.signal.set()
        self.reload.look(self.in_force.append)


@pytest.fixture
def asked():
    return Asked()


def test_nothing_is_read_until_it_is_asked_for(asked):
    asked.wanted = ConfigError("unreadable")
    asked.reload.look(asked.in_force.append)
    assert (asked.in_force, asked.reload.refused) == ([], None)


def test_sources_and_labels_change_once_a_signal(asked):
    wanted = Config(
        site="store-1", labels={"region": "emea"}, sources=SourcesConfig(host=HostConfig())
    )
    asked.hup(wanted)
    asked.reload.look(asked.in_force.append)
    assert asked.in_force == [wanted]
    assert asked.reload.config is wanted


@pytest.mark.parametrize(
    "wanted, keys",
    [
        (Config(site="store-2"), "site"),
        (Config(site="store-1", node="b"), "node"),
        (Config(site="store-1", interval=5.0, labels={"a": "b"}), "interval"),
        (Config(site="store-1", spool=SpoolConfig(max_size=1)), "spool"),
        (
            Config(site="store-1", kafka={"bootstrap.servers": "k:1"}, topic=TopicConfig()),
            "kafka, topic",
        ),
    ],
    ids=["site", "node", "interval", "spool", "kafka-and-topic"],
)
def test_what_is_part_of_the_line_needs_a_restart_and_nothing_else_changes(asked, wanted, keys):
    asked.hup(wanted)
    assert asked.in_force == []
    assert asked.reload.config is NOW
    assert asked.reload.refused == (
        f"these keys can't change while running: {keys}. "
        "restart edgevitals, or take that change back and send SIGHUP again"
    )


def test_a_bad_file_is_refused_until_a_good_one_comes(asked):
    began_at = asked.reload.succeeded_at
    asked.hup(ConfigError("config.yaml:3:1: unknown key 'sourcs'", "write sources"))
    assert asked.reload.refused == "config.yaml:3:1: unknown key 'sourcs'. write sources"
    assert (asked.in_force, asked.reload.succeeded_at) == ([], began_at)
    asked.hup(NOW)
    assert asked.reload.refused is None
    assert asked.in_force == [NOW]


def test_what_can_not_be_put_in_force_is_refused(asked):
    def fails(_: Config) -> None:
        raise ConfigError("rules.yaml:2:1: no pattern")

    asked.signal.set()
    asked.reload.look(fails)
    assert asked.reload.refused == "rules.yaml:2:1: no pattern"
    assert asked.reload.config is NOW


def test_a_forwarder_stays_one():
    sink = SinkConfig(name="c", url="http://c/w", out_of_order_time_window=1.0)
    forwarder = Config(
        site="hq", kafka={"bootstrap.servers": "k:1"}, topic=TopicConfig(), sinks=(sink,)
    )
    site = msgspec.structs.replace(forwarder, sources=SourcesConfig(host=HostConfig()))
    with pytest.raises(ConfigError, match="running: sources"):
        must_not_differ(forwarder, site)
