"""Whole files: every wrong one, with the words that a person reads."""

from __future__ import annotations

import pytest

from collector.config.scalars import PROFILES
from collector.errors import ConfigError
from tests.unit.config.file import loaded, said


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
