"""The configuration that is printed: `check` takes it, and it reads nothing twice."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from collector.cli.check import summary
from collector.config import Address, load
from collector.discovery import suggestion, telling
from collector.discovery.found import (
    ConnectWorker,
    JmxPort,
    KafkaPort,
    MetricsPage,
    Mirror,
    Nobody,
    Service,
    Unknown,
)
from collector.discovery.java import BrokerFile, java_process
from collector.discovery.survey import Survey

HERE = "127.0.0.1"
BROKER = KafkaPort(
    address=Address(HERE, 9092),
    is_controller=False,
    security="PLAINTEXT",
    cluster_id="abc",
    brokers=(Address("broker.example", 9092),),
    nodes=(1,),
)
CONTROLLER = KafkaPort(address=Address(HERE, 9093), is_controller=True, security="PLAINTEXT")
JMX = JmxPort(address=Address(HERE, 9999), role="broker", node=1)
NODE = MetricsPage(
    address=Address(HERE, 9100),
    url=f"http://{HERE}:9100/metrics",
    exporter="node_exporter",
    samples=9,
)
AGENT = MetricsPage(
    address=Address(HERE, 7071),
    url=f"http://{HERE}:7071/metrics",
    exporter="jmx_exporter",
    samples=9,
)


@pytest.fixture
def loaded(tmp_path):
    """Load what is suggested, as `check` does."""

    def load_(survey):
        file = tmp_path / "c.yaml"
        file.write_text(suggestion.config(survey, lambda _: 20 << 30))
        return load(file, {}).config

    return load_


def survey(*found, given=(), **more):
    return Survey(host="store-1.example", given=given, found=found, **more)


def test_a_broker_with_jmx_on_this_machine(loaded):
    file = BrokerFile(("broker",), 1, (), (), ("/data",))
    config = loaded(survey(BROKER, CONTROLLER, JMX, files={7: file}))
    assert summary(config) == [
        "site     store-1, node (the host name)",
        "every    vital 15s, standard 15s, detail 1m",
        "reads    jmx 127.0.0.1:9999, job kafka, names default",
        "reads    host, job node",
        "reads    kafka 127.0.0.1:9092, job kafka_exporter",
        "keeps    /var/lib/edgevitals, at most 2 GiB",
        "topic    edgevitals.telemetry, at most 2 GiB, 6 rounds a record",
        "serves   http://127.0.0.1:9464/",
    ]


def test_a_controller_is_never_offered_as_a_broker(loaded):
    config = loaded(survey(CONTROLLER, replace(JMX, role="controller")))
    assert config.kafka == {}
    assert config.topic is None
    assert config.sources.kafka is None
    assert [jvm.job for jvm in config.sources.jmx] == ["kafka_controller"]
    both = loaded(survey(CONTROLLER, replace(JMX, role="controller"), BROKER, JMX))
    assert both.kafka["bootstrap.servers"] == "127.0.0.1:9092"
    assert [jvm.job for jvm in both.sources.jmx] == ["kafka", "kafka_controller"]


def test_a_jvm_that_wants_a_password_is_what_its_command_line_says(loaded):
    locked = JmxPort(address=Address(HERE, 9999), wants_password=True)
    broker = java_process(7, ["java", "kafka.Kafka"])
    assert broker is not None
    found = survey(locked, owners={locked.address: broker})
    (jvm,) = loaded(found).sources.jmx
    assert (jvm.job, jvm.username) == ("kafka", "monitor")
    alone = replace(found, files={7: BrokerFile(("controller",), 1, (), (), ())})
    assert [jvm.job for jvm in loaded(alone).sources.jmx] == ["kafka_controller"]


def test_the_listener_that_is_easiest_to_use(loaded):
    guarded = replace(
        BROKER, security="SASL_SSL", mechanisms=("PLAIN", "SCRAM-SHA-512"), brokers=()
    )
    secret = replace(guarded, address=Address(HERE, 9094), security="SSL", mechanisms=())
    config = loaded(survey(guarded, secret, BROKER))
    assert config.kafka == {"bootstrap.servers": "127.0.0.1:9092"}
    config = loaded(survey(guarded, secret))
    assert config.kafka == {"bootstrap.servers": "127.0.0.1:9094", "security.protocol": "SSL"}
    config = loaded(survey(guarded))
    assert config.kafka["sasl.mechanism"] == "SCRAM-SHA-512"
    assert str(config.kafka["sasl.password_file"]) == "/etc/edgevitals/kafka-password"
    loaded(survey(replace(guarded, mechanisms=("GSSAPI",))))


def test_the_other_brokers_of_the_cluster_are_there_to_begin_with(loaded):
    named = tuple(Address(f"broker-{number}", 9092) for number in range(1, 6))
    found = replace(BROKER, address=named[1], brokers=named, nodes=(1, 2, 3, 4, 5))
    config = loaded(survey(found, given=("broker-2",)))
    assert config.kafka["bootstrap.servers"] == "broker-2:9092,broker-1:9092,broker-3:9092"


def test_a_broker_that_sends_its_clients_elsewhere_is_the_second_choice(loaded):
    inner = replace(BROKER, address=Address(HERE, 29092), brokers=(Address("kafka", 29092),))
    outer = replace(BROKER, brokers=(Address("localhost", 9092),))
    config = loaded(survey(inner, outer))
    assert config.kafka["bootstrap.servers"] == "127.0.0.1:9092"
    assert "# it sends its clients on to kafka:29092" in suggestion.config(survey(inner))
    assert "sends its clients" not in suggestion.config(survey(outer))


def test_brokers_that_want_a_login_are_named_by_what_was_asked(loaded):
    guarded = replace(BROKER, security="SASL_SSL", mechanisms=("PLAIN",), brokers=(), nodes=())
    far = [replace(guarded, address=Address(host, 9093)) for host in ("a", "b")]
    again = replace(guarded, address=Address("a", 9094))
    config = loaded(survey(far[0], again, far[1], given=("a", "b")))
    assert config.kafka["bootstrap.servers"] == "a:9093,b:9093"


def test_the_jmx_port_of_another_broker_on_the_host_is_not_its_own():
    (says,) = telling.missing(survey(BROKER, replace(JMX, node=2), given=(HERE,)))
    assert says.startswith("a JMX port of the broker at 127.0.0.1:9092")
    cluster = replace(BROKER, nodes=(2, 3), brokers=(Address(HERE, 9092), Address("b", 9092)))
    assert telling.missing(survey(cluster, replace(JMX, node=2), given=(HERE,))) == []


def test_certificates_that_were_met_are_looked_at(loaded):
    secret = replace(BROKER, address=Address(HERE, 9094), security="SSL")
    mutual = Unknown(address=Address(HERE, 9095), says="x", has_tls=True)
    config = loaded(survey(BROKER, secret, mutual, replace(JMX, has_tls=True)))
    assert config.sources.certificates is not None
    assert config.sources.certificates.listeners == (secret.address, mutual.address)
    config = loaded(survey(BROKER, replace(JMX, has_tls=True)))
    assert config.sources.certificates is not None
    assert config.sources.certificates.listeners == ()
    assert loaded(survey(BROKER, JMX)).sources.certificates is None


def test_another_machine_is_not_read_as_if_it_were_this_one(loaded):
    far = [
        replace(one, address=Address("broker-1", one.address.port)) for one in (BROKER, JMX, NODE)
    ]
    config = loaded(survey(*far, given=("broker-1",)))
    assert config.sources.host is None
    assert [page.job for page in config.sources.scrape] == ["node"]


def test_what_would_be_read_twice_is_a_comment(loaded):
    lag = replace(
        NODE, address=Address(HERE, 9308), exporter="kafka_exporter", url="http://a:9308/"
    )
    other = replace(
        NODE, address=Address(HERE, 8080), exporter="a Go program", url="http://a:8080/"
    )
    found = survey(BROKER, JMX, NODE, AGENT, lag, other)
    assert loaded(found).sources.scrape == ()
    text = suggestion.config(found)
    for says in ("the JMX port above", "host: true gives", "kafka: true gives", "not of Kafka"):
        assert says in text
    alone = loaded(survey(AGENT, lag, given=("localhost",)))
    assert [page.job for page in alone.sources.scrape] == ["kafka", "kafka_exporter"]


MIRROR = Mirror(
    name="the mirror",
    source="plant",
    target="hq",
    topics=("pos.*", "["),
    source_servers=("localhost:9092",),
    target_servers=("hq-1:9092",),
)
WORKER = ConnectWorker(
    address=Address(HERE, 8083),
    url=f"http://{HERE}:8083/",
    version="4.3.1",
    cluster_id="abc",
    connectors=1,
    mirrors=(MIRROR,),
)
ITS_JMX = JmxPort(address=Address(HERE, 9998), role="connect", wants_password=True)


def test_a_connect_worker_and_what_it_lacks(loaded):
    found = survey(BROKER, JMX, WORKER)
    assert loaded(found).links == ()
    assert "# plant -> hq: a link needs the JMX port" in suggestion.config(found)
    assert ("Connect", WORKER.url, "version 4.3.1, 1 connectors, mirrors plant -> hq") in (
        telling.rows(found)
    )
    (entry,) = [one for one in telling.entries(found) if one["what"] == "Connect"]
    assert entry["mirrors"][0]["topics"] == ["pos.*", "["]
    assert any("JMX port of the Connect worker" in text for text in telling.missing(found))


def test_a_mirror_becomes_a_link(loaded):
    (link,) = loaded(survey(BROKER, JMX, WORKER, ITS_JMX)).links
    assert (link.name, link.kind, link.side) == ("plant-hq", "mirrormaker2", "source")
    assert (link.source, link.target) == ("plant", "hq")
    assert link.topics == ("pos.*",)
    assert link.connect == "http://127.0.0.1:8083/connectors/the%20mirror"
    (jvm,) = link.jmx
    assert (jvm.address, jvm.username) == (ITS_JMX.address, "monitor")


def test_the_side_of_a_link_is_where_its_servers_are(loaded):
    here = replace(MIRROR, source_servers=("plant-1:9092",), target_servers=("127.0.0.1:9092",))
    (link,) = loaded(survey(BROKER, replace(WORKER, mirrors=(here,)), ITS_JMX)).links
    assert link.side == "target"
    nowhere = replace(MIRROR, source_servers=(), target_servers=("nonsense",))
    (link,) = loaded(survey(BROKER, replace(WORKER, mirrors=(nowhere,)), ITS_JMX)).links
    assert link.side == "source"


def test_a_mirrormaker_that_runs_by_itself_becomes_a_link(loaded):
    its_jmx = replace(ITS_JMX, role="mirrormaker", wants_password=False)
    (link,) = loaded(survey(BROKER, its_jmx, mirrors=(MIRROR,))).links
    assert link.connect is None
    assert [jvm.address for jvm in link.jmx] == [its_jmx.address]
    assert loaded(survey(its_jmx, mirrors=(MIRROR,))).links == ()  # without a broker


def test_a_broker_without_a_jmx_port_is_told_where_to_read_how():
    (says,) = telling.missing(survey(BROKER))
    assert says.startswith("a JMX port of the broker at 127.0.0.1:9092")
    assert "edgevitals doctor" in says
    assert telling.missing(survey(BROKER, JMX)) == []
    locked = JmxPort(address=Address(HERE, 9999), wants_password=True)
    assert telling.missing(survey(BROKER, locked)) == []


def test_without_a_broker_it_is_said_what_to_do():
    assert "takes no clients" in telling.missing(survey(CONTROLLER))[0]
    assert "edgevitals discover HOST:PORT" in telling.missing(survey())[0]
    assert "name its port" in telling.missing(survey(given=("a",)))[0]


def test_hosts_where_nothing_is_have_a_line_each():
    ports = [
        Nobody(address=Address("a", port), is_refused=port < 3, says="no" if port < 3 else "late")
        for port in (1, 2, 3)
    ]
    single = Nobody(address=Address("b", 9), is_refused=True, says="nothing listens there")
    found = survey(*ports, single, given=("a", "b:9"))
    assert telling.rows(found) == [
        ("nothing", "b:9", "nothing listens there"),
        ("nothing", "a", "3 ports: no, late"),
    ]
    assert "site:" not in suggestion.config(found)


def test_the_table_ends_somewhere():
    many = [Unknown(address=Address("a", port), says="x") for port in range(1, 200)]
    told = telling.rows(survey(*many, given=("a",)))
    assert len(told) == telling.MOST_ROWS
    assert told[-1] == ("more", "", "140 of them")


EVIL = 'x"\n- \x1b[31m\u2028#: {'


def test_what_strangers_say_is_only_text(loaded):
    found = survey(
        replace(
            BROKER,
            cluster_id=EVIL,
            brokers=(Address(EVIL, 1), Address("b", 2), Address(HERE, 9092)),
            nodes=(1, 2, 3),
        ),
        replace(BROKER, address=Address(HERE, 9095), cluster_id="other" + EVIL),
        replace(BROKER, security="SASL_PLAINTEXT", mechanisms=(EVIL,)),
        replace(JMX, trouble=EVIL * 50),
        replace(AGENT, exporter="metrics"),
        Service(address=Address(HERE, 5), name=EVIL),
        Unknown(address=Address(HERE, 6), says=EVIL),
        replace(ITS_JMX, address=Address(HERE, 7)),
        ConnectWorker(
            address=Address(HERE, 8083),
            url="http://a:8083/",
            version=EVIL,
            cluster_id=EVIL,
            mirrors=(Mirror(name=EVIL, source=EVIL, target=EVIL, topics=(EVIL,)),),
        ),
        unseen=(EVIL,),
        given=(EVIL,),
    )
    config = loaded(found)
    assert config.kafka["bootstrap.servers"] == "127.0.0.1:9092,b:2"
    assert json.dumps(telling.entries(found), ensure_ascii=False).isprintable()
    text = suggestion.config(found)
    assert all(line.isprintable() for line in text.splitlines())
    assert re.findall(r"^\S+:", text, re.MULTILINE) == [
        "site:",
        "kafka:",
        "sources:",
        "links:",
        "topic:",
    ]
    loaded(survey(replace(BROKER, security="SASL_PLAINTEXT", mechanisms=(EVIL,))))


@pytest.mark.parametrize(
    "host,name",
    [
        ("store-1.example", "store-1"),
        ("Kässe 7", "K-sse-7"),
        ("---", "site-1"),
        ("a" * 99, "a" * 64),
    ],
)
def test_the_site_is_named_by_the_host(host, name):
    assert suggestion.site(host) == name
