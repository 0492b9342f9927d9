"""Whole files: what a right one says, and every wrong one with the words a person reads."""

from __future__ import annotations

import math
import os
from pathlib import Path
from textwrap import dedent

import pytest

from collector.config import (
    PRESETS,
    TIERS,
    Address,
    FreeSpace,
    JmxTlsConfig,
    ProxyConfig,
    TlsConfig,
    load,
)
from collector.config.scalars import PROFILES
from collector.config.tree import Config
from collector.errors import ConfigError

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


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def loaded(text, **environ):
    Path("c.yaml").write_text(dedent(text))
    return load(Path("c.yaml"), environ)


def said(text, **environ):
    """The headlines of everything that is wrong with a file."""
    with pytest.raises(ConfigError) as caught:
        loaded(text, **environ)
    return [
        line.removeprefix("c.yaml:")
        for line in caught.value.message.splitlines()
        if ": error: " in line or ": warning: " in line
    ]


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


@pytest.mark.parametrize(
    "text,says",
    [
        ("labels: {a: b}", '1:1: error: site: missing: write "site: store-0412"'),
        ("site:", "1:6: error: site: is empty: write a name or leave it out"),
        (
            "site: store 1",
            (
                '1:7: error: site: "store 1" is not a name: use letters, digits, ".", "_" and "-", '
                "64 characters at most"
            ),
        ),
        ("site: [a]", "1:7: error: site: is one name, not a list"),
        ("site: {a: b}", "1:7: error: site: is one name, not a section"),
        ("site: a\nsize: 3", '2:1: error: size: unknown key (did you mean "site"?)'),
        ("site: a\nnode-name: 3", '2:1: error: node-name: unknown key (did you mean "node"?)'),
        (
            "site: a\nlisten: x:1",
            "2:1: error: listen: unknown key (it belongs to status or sources.otlp)",
        ),
        (
            "site: a\nstatus: {sinks: []}",
            (
                "2:10: error: status.sinks: unknown key "
                "(it belongs to the top level: check the indentation)"
            ),
        ),
        (
            "site: a\nstatus: {zzz: 1}",
            "2:10: error: status.zzz: unknown key (known here: listen)",
        ),
        (
            "site: a\n<<: {node: b}",
            "2:1: error: <<: unknown key (merge keys are not used here: write the keys out)",
        ),
        ("site: a\nsite: b", '2:1: error: "site" is already set in line 1'),
        (
            "site: a\npreset: dsl",
            '2:9: error: preset: "dsl" is unknown: write lan, cellular or satellite',
        ),
        ("site: a\ninterval: 15", '2:11: error: interval: "15" is not a duration: write 15s'),
        (
            "site: a\ninterval: 100ms",
            '2:11: error: interval: "100ms" is out of bounds: write 1s to 1h',
        ),
        (
            "site: a\nspool: {max_size: 512mb}",
            '2:19: error: spool.max_size: "512mb" is not a size: write 512MB (SI) or 512MiB',
        ),
        (
            "site: a\nspool: {max_size: 3B}",
            '2:19: error: spool.max_size: "3B" is out of bounds: write 1MiB to 1024TiB',
        ),
        (
            "site: a\nspool: /data",
            "2:8: error: spool: is a section: write keys below it: path, max_size, min_free",
        ),
        (
            "site: a\nspool:",
            (
                "2:7: error: spool: is empty: leave it out, or write keys below it: "
                "path, max_size, min_free"
            ),
        ),
        (
            "site: a\nspool: [a]",
            "2:8: error: spool: is a section: write keys below it: path, max_size, min_free",
        ),
        (
            "site: a\nsources: {host: yes}",
            (
                "2:17: error: sources.host: write true, false, or keys below it: job, instance, "
                "proc, sys, root"
            ),
        ),
        (
            "site: a\nsources: {jmx: {address: a:1}}",
            '2:16: error: sources.jmx: is a list: begin each item with "- "',
        ),
        (
            "site: a\nsources: {jmx: [{address: a:1, names: default}]}",
            "2:39: error: sources.jmx[0].names: is a list: write [default]",
        ),
        (
            "site: a\nsources: {jmx: }",
            "2:16: error: sources.jmx: is empty: leave it out, or write a list",
        ),
        (
            "site: a\nsources: {jmx: [a:1]}",
            (
                "2:17: error: sources.jmx[0]: is a section: write keys below it: "
                "address, username, password_file, tls, registry_tls, rmi_port, follow_stub, "
                "job, instance, names, engine"
            ),
        ),
        (
            "site: a\nsources:\n  jmx:\n    - job: x",
            '4:7: error: sources.jmx[0].address: missing: write "address: 127.0.0.1:9999"',
        ),
        (
            "site: a\nsources: {kafka: true}",
            (
                "2:18: error: sources.kafka: needs a connection: "
                'write "kafka: {bootstrap.servers: HOST:PORT}"'
            ),
        ),
        (
            "site: a\nsinks: [{name: x, url: 'http://x', out_of_order_time_window: 1h, lanes: 2}]",
            (
                "2:73: error: sinks[0].lanes: belongs to a forwarder (kafka, topic and sinks, and "
                "no sources): a site sends one request after the other. Leave it out"
            ),
        ),
        (
            "site: a\nsinks: [{name: x, url: 'http://x', out_of_order_time_window: 1h, lanes: 0}]",
            "2:73: error: sinks[0].lanes: 0 is out of bounds: write 1 to 64",
        ),
        (
            "site: a\ntopic: {}",
            '2:8: error: topic: needs a connection: write "kafka: {bootstrap.servers: HOST:PORT}"',
        ),
        (
            "site: a\nkafka: {client.id: x}",
            '2:8: error: kafka.bootstrap.servers: missing: write "bootstrap.servers: HOST:PORT"',
        ),
        (
            "site: a\nkafka: {bootstrap.servers: [a:1, b:2]}",
            '2:28: error: kafka.bootstrap.servers: is one value, not a list: write "a:1,b:2"',
        ),
        (
            "site: a\nkafka: x:9092",
            '2:8: error: kafka: is a section: write lines "name: value" below it',
        ),
        (
            "site: a\nkafka: {bootstrap.servers: x, sasl.password: hunter2}",
            (
                "2:31: error: kafka.sasl.password: secrets are only read from files: "
                "write sasl.password_file with a path"
            ),
        ),
        (
            "site: a\nkafka: {bootstrap.servers: x, ssl.key.pem: hunter2}",
            (
                "2:31: error: kafka.ssl.key.pem: secrets are only read from files: "
                "write ssl.key.pem_file with a path"
            ),
        ),
        (
            "site: a\nkafka: {bootstrap.servers: x, ssl.truststore.location: /x}",
            (
                "2:31: error: kafka.ssl.truststore.location: a property of Java clients: "
                "write ssl.ca.location with a PEM file"
            ),
        ),
        (
            "site: a\nkafka: {bootstrap.servers: x, acks: 1}",
            "2:31: error: kafka.acks: set by edgevitals itself: leave it out",
        ),
        (
            "site: a\nlabels: {job: x}",
            "2:10: error: labels.job: this label is set by edgevitals itself: choose another name",
        ),
        (
            'site: a\nlabels: {x: ""}',
            '2:13: error: labels.x: "" is not a label: write 1 to 128 printable characters',
        ),
        (
            "site: a\nsinks: [{name: x, url: 'http://x/y'}]",
            (
                "2:9: error: sinks[0].out_of_order_time_window: missing: "
                'write "out_of_order_time_window: 31d"'
            ),
        ),
        (
            (
                "site: a\nsinks: [{name: x, url: 'http://u:hunter2@x/y', "
                "out_of_order_time_window: 1h}]"
            ),
            (
                "2:24: error: sinks[0].url: a URL with a user name or password in it: "
                "secrets are only read from files, write token_file"
            ),
        ),
        (
            (
                "site: a\nsinks: [{name: x, url: 'http://x/y', token: hunter2, "
                "out_of_order_time_window: 1h}]"
            ),
            '2:38: error: sinks[0].token: unknown key (did you mean "token_file"?)',
        ),
        (
            "site: a\ntopic: {frame_after: 0}\nkafka: {bootstrap.servers: x}",
            "2:22: error: topic.frame_after: 0 is out of bounds: write 1 to 120",
        ),
        (
            "site: a\nkafka: {bootstrap.servers: x}\nsources: {kafka: {topics: ['(']}}",
            (
                '3:28: error: sources.kafka.topics[0]: "(" is not a regular expression: '
                "missing ), unterminated subpattern at position 0"
            ),
        ),
        (
            "site: a\nsources: {jmx: [{address: 'a:1', names: []}]}",
            "2:41: error: sources.jmx[0].names: is empty: write [default]",
        ),
        (
            "site: a\nsources: {jmx: [{address: 'a:1', names: [fancy]}]}",
            (
                '2:42: error: sources.jmx[0].names[0]: "fancy" is no profile: '
                f"write {', '.join(PROFILES)}, or the path of a rule file with a / in it"
            ),
        ),
        # ---- how to get into a JVM
        (
            "site: a\nsources: {jmx: [{address: 'a:1', username: u}]}",
            "2:44: error: sources.jmx[0].username: needs a password_file beside it",
        ),
        (
            "site: a\nsources: {jmx: [{address: '[::1]:1', password_file: p}]}",
            "2:53: error: sources.jmx[0].password_file: needs a username beside it",
        ),
        (
            "site: a\nsources: {jmx: [{address: 'a:1', registry_tls: true}]}",
            (
                "2:48: error: sources.jmx[0].registry_tls: needs tls beside it: "
                'write "tls: true", or keys below tls'
            ),
        ),
        (
            "site: a\nsources: {jmx: [{address: 'a:1', tls: {key_file: k}}]}",
            "2:50: error: sources.jmx[0].tls.key_file: needs the cert_file that it is the key of",
        ),
        (
            "site: a\nsources: {jmx: [{address: 'a:1', tls: {verify_hostname: false}}]}",
            (
                "2:57: error: sources.jmx[0].tls.verify_hostname: false needs a ca_file beside "
                "it: else a certificate for any host in the world would do. Name a CA that signs "
                "nothing else, or the JVM's own certificate"
            ),
        ),
        (
            "site: a\nsources: {jmx: [{address: 'a:1', tls: {verify_hostname: no, ca_file: c}}]}",
            (
                '2:57: error: sources.jmx[0].tls.verify_hostname: "no" is neither: '
                "write true or false"
            ),
        ),
        (
            "site: a\nsources: {jmx: [{address: 'a:1', tls: {server_name: 'a:1'}}]}",
            (
                '2:53: error: sources.jmx[0].tls.server_name: "a:1" is not a host name: '
                "write it like broker.example"
            ),
        ),
        (
            "site: a\nsources: {jmx: [{address: 'a:1', rmi_port: 0}]}",
            "2:44: error: sources.jmx[0].rmi_port: 0 is out of bounds: write 1 to 65535",
        ),
        (
            "site: a\nsources: {jmx: [{address: 'a:1', engine: java}]}",
            '2:42: error: sources.jmx[0].engine: "java" is unknown: write native or jmxquery',
        ),
        (
            (
                "site: a\nsources: {jmx: [{address: 'localhost:1', engine: jmxquery, "
                "username: u, password_file: p}]}"
            ),
            (
                "2:88: error: sources.jmx[0].password_file: engine jmxquery would show the "
                "password in the process list: leave this out, or use engine native"
            ),
        ),
        (
            "site: a\nsources: {jmx: [{address: 'a:1', engine: jmxquery, tls: true}]}",
            (
                "2:57: error: sources.jmx[0].tls: engine jmxquery can't be told which "
                "certificates to trust: leave this out, or use engine native"
            ),
        ),
        (
            "site: a\nsources: {jmx: [{address: 'a:1', engine: jmxquery, rmi_port: 2}]}",
            (
                "2:62: error: sources.jmx[0].rmi_port: engine jmxquery connects to the port "
                "that the registry names: leave this out, or use engine native"
            ),
        ),
    ],
)
def test_each_mistake_has_its_sentence(text, says):
    with pytest.raises(ConfigError) as caught:
        loaded(text)
    assert said(text) == [says]
    assert "hunter2" not in caught.value.message


def test_all_mistakes_come_in_one_go():
    assert said("""\
        site: a b
        preset: dsl
        sources:
          jmx:
            - {address: "a:1"}
            - {address: "a:1"}
            - {adress: "a:2"}
        topic: {}
        sinks:
          - {name: x, url: "http://x/y", out_of_order_time_window: 1h}
          - {name: x, url: "http://x/y", out_of_order_time_window: 1 h}
        """) == [
        (
            '1:7: error: site: "a b" is not a name: use letters, digits, ".", "_" and "-", '
            "64 characters at most"
        ),
        '2:9: error: preset: "dsl" is unknown: write lan, cellular or satellite',
        (
            '6:7: error: sources.jmx[1]: job "kafka" and instance "a:1" are already those of '
            "sources.jmx[0] in line 5: give this one another instance"
        ),
        '7:7: error: sources.jmx[2].address: missing: write "address: 127.0.0.1:9999"',
        '7:8: error: sources.jmx[2].adress: unknown key (did you mean "address"?)',
        '8:8: error: topic: needs a connection: write "kafka: {bootstrap.servers: HOST:PORT}"',
        (
            '11:60: error: sinks[1].out_of_order_time_window: "1 h" is not a duration: write 1h, '
            'or "unlimited" for a receiver without a limit'
        ),
    ]


def test_job_and_instance_name_one_target():
    assert said("""\
        site: a
        node: n
        kafka: {bootstrap.servers: x}
        sources:
          jmx: [{address: "a:1", job: node, instance: n}, {address: "b:1", job: edgevitals,
            instance: n}]
          host: true
          kafka: {job: node}
        """) == [
        (
            '5:51: error: sources.jmx[1]: job "edgevitals" and instance "n" are already the '
            "collector's own: give this one another instance"
        ),
        (
            '7:9: error: sources.host: job "node" and instance "n" are already those of '
            "sources.jmx[0] in line 5: give this one another instance"
        ),
        (
            '8:10: error: sources.kafka: job "node" and instance "n" are already those of '
            "sources.jmx[0] in line 5: give this one another instance"
        ),
    ]
    assert said("""\
        site: a
        kafka: {bootstrap.servers: x}
        sources: {host: true, kafka: {job: node}}
        """) == [
        (
            '3:30: error: sources.kafka: job "node" and instance the node are already those of '
            "sources.host in line 3: give this one another instance"
        )
    ]


def test_names_of_sinks_are_kept_apart():
    assert said("""\
        site: a
        sinks:
          - {name: x, url: "http://x/y", out_of_order_time_window: 1h}
          - {name: x, url: "http://z/y", out_of_order_time_window: 1h}
        """) == [
        (
            '4:12: error: sinks[1].name: "x" is already the name of sinks[0] in line 3: '
            "positions are kept by this name, choose another"
        )
    ]


@pytest.mark.parametrize(
    "url,warned",
    [
        ("http://metrics.example/w", True),
        ("http://10.0.0.1/w", True),
        ("https://metrics.example/w", False),
        ("http://127.0.0.1:9090/w", False),
        ("http://[::1]:9090/w", False),
        ("http://localhost/w", False),
    ],
)
def test_a_token_without_tls_is_warned_of(url, warned):
    result = loaded(f"""\
        site: a
        sources: {{host: true}}
        sinks: [{{name: x, url: "{url}", token_file: t, out_of_order_time_window: 1h}}]
        """)
    assert bool(result.warnings) is warned


SINK = "site: a\nsinks: [{name: x, url: 'https://x/y', out_of_order_time_window: 1h, %s}]"


def test_a_sink_that_is_guarded(tmp_path):
    (sink,) = loaded("""\
        site: a
        sinks:
          - name: centre
            url: "https://[fd00::1]/api/v1/write"
            out_of_order_time_window: 31d
            username: store
            password_file: secrets/centre
            headers: {X-Scope-OrgID: stores, X-Api-Key_file: /run/secrets/key}
            tls: {ca_file: ca.pem, cert_file: me.pem, key_file: me.key, server_name: c.example}
            proxy: {url: "http://[::1]:3128", username: p, password_file: secrets/proxy}
            rate_limit: 64KiB/s
        """).config.sinks
    assert (sink.username, sink.password_file) == ("store", tmp_path / "secrets/centre")
    assert sink.headers == {"X-Scope-OrgID": "stores", "X-Api-Key_file": Path("/run/secrets/key")}
    assert sink.tls == TlsConfig(
        ca_file=tmp_path / "ca.pem",
        cert_file=tmp_path / "me.pem",
        key_file=tmp_path / "me.key",
        server_name="c.example",
    )
    assert sink.proxy == ProxyConfig(
        url="http://[::1]:3128", username="p", password_file=tmp_path / "secrets/proxy"
    )
    assert sink.rate_limit == 65_536


@pytest.mark.parametrize(
    "keys,says",
    [
        ("username: u", "username: needs a password_file beside it"),
        ("password_file: p", "password_file: needs a username beside it"),
        (
            "username: 'a:b', password_file: p",
            "username: basic authentication can't carry a colon in it",
        ),
        (
            "username: u, password_file: p, token_file: t",
            "token_file: a request has one login: leave out this, or username",
        ),
        ("password: hunter2", 'password: unknown key (did you mean "password_file"?)'),
        (
            "headers: {Authorization: hunter2}",
            (
                "headers.Authorization: credentials have keys of their own: write token_file, or "
                "username and password_file, of this sink"
            ),
        ),
        (
            "headers: {X-Api-Key: hunter2}",
            (
                "headers.X-Api-Key: secrets are only read from files: write X-Api-Key_file with a "
                "path"
            ),
        ),
        (
            "headers: {Content-Type: x}",
            "headers.Content-Type: set by edgevitals itself: leave it out",
        ),
        (
            "headers: {content-length_file: x}",
            "headers.content-length_file: set by edgevitals itself: leave it out",
        ),
        ("headers: {Host: x}", "headers.Host: set by edgevitals itself: leave it out"),
        (
            "headers: {X Y: x}",
            "headers.X Y: not the name of a header: write it like X-Scope-OrgID",
        ),
        (
            "headers: {X-Y: ü}",
            'headers.X-Y: "ü" is not for a header: write 1 to 1024 ASCII characters',
        ),
        (
            "headers: {X-Y: a, x-y_file: b}",
            "headers.x-y_file: this header is already set above: leave one out",
        ),
        (
            "tls: {key_file: k}",
            "tls.key_file: needs the cert_file that it is the key of",
        ),
        (
            "tls: {verify_hostname: false}",
            "tls.verify_hostname: unknown key (it belongs to sources.jmx[].tls)",
        ),
        ("proxy: {}", 'proxy.url: missing: write "url: http://proxy.example:3128"'),
        (
            "proxy: {url: 'http://p', username: u}",
            "proxy.username: needs a password_file beside it",
        ),
        ("rate_limit: 1B/s", 'rate_limit: "1B/s" is out of bounds: write 1kB/s to 1GB/s'),
    ],
)
def test_each_mistake_of_a_sink_has_its_sentence(keys, says):
    told = said(SINK % keys)
    assert [one.partition(": error: sinks[0].")[2] for one in told] == [says]
    with pytest.raises(ConfigError) as caught:
        loaded(SINK % keys)
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    "keys,site,forwarder",
    [
        ("{}", "edgevitals.pulse", "edgevitals.pulse"),
        ("{name: 'a.telemetry.{site}'}", "a.pulse.s1", "a.pulse.{site}"),
        ("{name: 'telemetry.{site}.telemetry'}", "telemetry.s1.pulse", "telemetry.{site}.pulse"),
        ("{name: 'ev.{site}'}", "pulse.ev.s1", "pulse.ev.{site}"),
        ("{name: 'ev.{site}', pulse: 'p.{site}'}", "p.s1", "p.{site}"),
    ],
)
def test_the_pulse_has_a_topic_of_its_own(keys, site, forwarder):
    text = f"site: s1\nkafka: {{bootstrap.servers: x}}\ntopic: {keys}\n"
    assert loaded(text + "sources: {host: true}").config.pulse_topic_name == site
    sinks = "sinks: [{name: x, url: 'http://x/y', out_of_order_time_window: 1h}]"
    assert loaded(text + sinks).config.pulse_topic_name == forwarder
    assert loaded("site: s1").config.pulse_topic_name is None


def test_pulse_and_rounds_are_not_in_one_topic():
    assert said("site: a\nkafka: {bootstrap.servers: x}\ntopic: {name: t, pulse: t}") == [
        "3:25: error: topic.pulse: is the topic of the rounds: give the pulse its own"
    ]


def test_tls_of_a_sink_needs_https():
    text = (SINK % "tls: {ca_file: c}").replace("https", "http")
    assert said(text)[0].endswith("sinks[0].tls: needs an https url")


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
