"""Whole files: what a right one says, and files that can't be read."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from collector.config import (
    PRESETS,
    TIERS,
    Address,
    FreeSpace,
    JmxTlsConfig,
    load,
)
from collector.config.tree import Config
from collector.errors import ConfigError
from tests.unit.config.file import loaded

EXAMPLE = """\
site: store-0412
labels: {region: emea}
preset: cellular
kafka: {bootstrap.servers: "127.0.0.1:9092", sasl.password_file: secrets/kafka}
sources:
  jmx: [{job: kafka, address: "127.0.0.1:9999", names: [default, rules/mine.yaml]}]
  host: true
  kafka: {groups: [".*"], topics: ["pos[.].*"]}
spool: {path: /var/lib/edgevitals, max_size: 2GiB}
topic: {name: "edgevitals.{site}", max_size: 4GiB}
sinks:
  - name: centre
    url: "https://metrics.example/api/v1/write"
    token_file: /run/secrets/token
    out_of_order_time_window: 31d
status: {listen: "127.0.0.1:9464"}
"""


def test_the_example_says_what_it_says(tmp_path):
    config = loaded(EXAMPLE).config
    assert config.site == "store-0412"
    assert config.node is None
    assert config.labels == {"region": "emea"}
    assert config.kafka == {
        "bootstrap.servers": "127.0.0.1:9092",
        "sasl.password_file": tmp_path / "secrets/kafka",
    }
    (jvm,) = config.sources.jmx
    assert jvm.address == Address("127.0.0.1", 9999)
    assert jvm.names == ("default", tmp_path / "rules/mine.yaml")
    assert jvm.target_instance == "127.0.0.1:9999"
    assert config.sources.host.job == "node"
    assert config.sources.kafka.job == "kafka_exporter"
    assert config.sources.kafka.topics == ("pos[.].*",)
    assert config.spool.max_size == 2 << 30
    assert config.topic_name == "edgevitals.store-0412"
    (sink,) = config.sinks
    assert sink.token_file == Path("/run/secrets/token")
    assert sink.out_of_order_time_window == 31 * 86400
    assert config.status.listen == Address("127.0.0.1", 9464)


def test_a_site_is_enough_and_says_that_nothing_is_read():
    result = loaded("site: a\n")
    assert result.config == Config(site="a")
    assert result.warnings == [
        "c.yaml: warning: nothing is read but the collector itself: add sources"
    ]
    assert result.config.topic_name is None


@pytest.mark.parametrize(
    "preset,intervals,frame_after,rounds_per_request",
    [
        ("lan", (15, 15, 15), 1, 1),
        ("cellular", (15, 15, 60), 6, 4),
        ("satellite", (60, 60, 300), 20, 20),
    ],
)
def test_presets_are_these_numbers(preset, intervals, frame_after, rounds_per_request):
    config = loaded(f"""\
        site: a
        preset: {preset}
        sinks: [{{name: x, url: "http://x/y", out_of_order_time_window: unlimited}}]
        """).config
    assert tuple(config.interval_of(tier) for tier in TIERS) == intervals
    assert config.frame_after == frame_after
    assert config.rounds_per_request(config.sinks[0]) == rounds_per_request
    assert config.sinks[0].out_of_order_time_window == math.inf


def test_keys_win_over_presets_and_tiers_over_all():
    config = loaded("""\
        site: a
        interval: 5s
        tiers: {detail: {interval: 2m}}
        kafka: {bootstrap.servers: x}
        topic: {frame_after: 3}
        sinks: [{name: x, url: "http://x/y", out_of_order_time_window: 1h, rounds_per_request: 9}]
        """).config
    assert [config.interval_of(tier) for tier in TIERS] == [5, 5, 120]
    assert config.frame_after == 3
    assert config.rounds_per_request(config.sinks[0]) == 9


FORWARDER = """\
site: hq
kafka: {{bootstrap.servers: x}}
topic: {{name: "plant.edgevitals.{{site}}"{topic}}}
sinks: [{{name: x, url: "http://x/y", out_of_order_time_window: 1h{sink}}}]
"""


def test_without_sources_a_topic_and_sinks_make_a_forwarder_of_any_site():
    loaded_ = loaded(FORWARDER.format(topic="", sink=""))
    config = loaded_.config
    assert loaded_.warnings == []
    assert config.is_forwarder
    assert config.topic_name == "plant.edgevitals.{site}"
    assert config.lanes(config.sinks[0]) == 4
    config = loaded(FORWARDER.format(topic="", sink=", lanes: 9")).config
    assert config.lanes(config.sinks[0]) == 9


@pytest.mark.parametrize("lacking", ["topic", "sinks"])
def test_sources_or_no_way_out_make_a_site(lacking):
    text = "".join(
        line for line in FORWARDER.format(topic="", sink="").splitlines(True) if lacking not in line
    )
    assert not loaded(text).config.is_forwarder
    site = loaded(FORWARDER.format(topic="", sink=", lanes: 1") + "sources: {host: true}").config
    assert not site.is_forwarder
    assert site.topic_name == "plant.edgevitals.hq"
    assert site.lanes(site.sinks[0]) == 1


def test_keys_of_a_topic_that_a_forwarder_never_makes_are_warned_of():
    text = FORWARDER.format(topic=", max_size: 1GiB, frame_after: 3", sink="")
    says = "has no effect without sources: then topics are only read. Leave it out, or add sources"
    assert loaded(text).warnings == [
        f"c.yaml:3:52: warning: topic.max_size: {says}",
        f"c.yaml:3:71: warning: topic.frame_after: {says}",
    ]


def test_there_is_a_preset_for_each_word():
    assert set(PRESETS) == {"lan", "cellular", "satellite"}


@pytest.mark.parametrize(
    "text,disk,floor",
    [
        ("", 100 << 30, 5 << 30),
        ("", 10 << 30, 1 << 30),
        ("min_free: 10%", 10 << 30, 1 << 30),
        ("min_free: 64MiB", 10 << 30, 64 << 20),
    ],
)
def test_space_is_left_free(text, disk, floor):
    spool = loaded(f"site: a\nspool: {{{text}}}\n").config.spool
    assert spool.min_free_bytes(disk) == floor
    assert spool.min_free is None or isinstance(spool.min_free, FreeSpace)


def test_a_source_is_switched_on_by_true_or_by_keys_and_off_by_false():
    assert loaded("site: a\nsources: {host: false}\n").config.sources.host is None
    assert loaded("site: a\nsources: {host: {job: h}}\n").config.sources.host.job == "h"


def test_a_jvm_that_is_guarded(tmp_path):
    config = loaded("""\
        site: a
        sources:
          jmx:
            - address: "broker:9999"
              username: monitor
              password_file: secrets/jmx
              tls: {ca_file: ca.pem, cert_file: me.pem, key_file: me.key, verify_hostname: false,
                    server_name: b.example}
              registry_tls: true
              rmi_port: 9998
              follow_stub: True
            - {address: "127.0.0.1:9999", tls: true, engine: native}
            - {address: "127.0.0.1:9998", tls: false, engine: jmxquery}
        """).config
    first, second, third = config.sources.jmx
    assert first.username == "monitor"
    assert first.password_file == tmp_path / "secrets/jmx"
    assert first.tls == JmxTlsConfig(
        ca_file=tmp_path / "ca.pem",
        cert_file=tmp_path / "me.pem",
        key_file=tmp_path / "me.key",
        verify_hostname=False,
        server_name="b.example",
    )
    assert (first.registry_tls, first.rmi_port, first.follow_stub) == (True, 9998, True)
    assert first.engine == second.engine == "native"
    assert second.tls == JmxTlsConfig()
    assert second.tls.verify_hostname
    assert (third.tls, third.engine, third.username) == (None, "jmxquery", None)


@pytest.mark.parametrize(
    "address,tls,is_warned",
    [
        ("b:1", "false", True),
        ("10.0.0.1:1", "false", True),
        ("b:1", "true", False),
        ("localhost:1", "false", False),
        ("[::1]:1", "false", False),
        ("127.3.2.1:1", "false", False),
    ],
)
def test_a_password_without_tls_is_warned_of(address, tls, is_warned):
    warnings = loaded(
        f"site: a\nsources: {{jmx: [{{address: '{address}', tls: {tls}, username: u, "
        "password_file: p}]}"
    ).warnings
    assert [w.partition(": warning: ")[2] for w in warnings] == [
        "sources.jmx[0].password_file: the password travels unencrypted: use tls"
    ] * is_warned


def test_properties_of_kafka_stay_text():
    kafka = loaded("""\
        site: a
        kafka: {bootstrap.servers: x, socket.timeout.ms: 5000, socket.nagle.disable: True}
        """).config.kafka
    assert kafka["socket.timeout.ms"] == "5000"
    assert kafka["socket.nagle.disable"] == "true"


def test_json_is_yaml():
    assert loaded('{"site": "a", "sources": {"host": true}}').config.sources.host


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"^nope\.yaml: error: no such file$"):
        load(Path("nope.yaml"), {})
    with pytest.raises(ConfigError, match="this is a directory: name the file in it"):
        load(tmp_path, {})


def test_a_file_that_may_not_be_read():
    Path("c.yaml").write_text("site: a")
    Path("c.yaml").chmod(0)
    is_root = os.geteuid() == 0  # who may read everything
    if is_root:
        os.seteuid(65534)
    try:
        with pytest.raises(ConfigError, match="this user may not read it"):
            load(Path("c.yaml"), {})
    finally:
        if is_root:
            os.seteuid(0)


def test_a_file_that_is_not_text():
    Path("c.yaml").write_bytes(b"site: a\nlabels: {x: \xff}\n")
    with pytest.raises(ConfigError, match=r"^c\.yaml:2: error: not UTF-8 text: save the file as"):
        load(Path("c.yaml"), {})


def test_a_byte_order_mark_is_no_part_of_the_first_key():
    Path("c.yaml").write_bytes(b"\xef\xbb\xbfsite: a\n")
    assert load(Path("c.yaml"), {}).config.site == "a"


def test_f36_a_huge_file_is_not_read():
    with Path("c.yaml").open("wb") as file:
        file.truncate(50 << 20)
    with pytest.raises(ConfigError, match="more than 1 MiB: this is not a configuration"):
        load(Path("c.yaml"), {})


def test_f36_a_file_of_thousands_of_mistakes_is_answered_with_the_first_ones():
    lines = [f"key{n}: {{a: b}}" for n in range(4_000)]
    with pytest.raises(ConfigError) as caught:
        loaded("\n".join(lines))
    assert caught.value.message.endswith("and 3951 more\n4001 errors")
