"""Web servers, by their answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collector.discovery import web
from collector.discovery.found import Mirror
from collector.discovery.web import Judged, Reply

FOLDER = Path(__file__).parents[2] / "data" / "discovery"


def captured(name: str) -> Reply:
    reply = web.read_reply((FOLDER / f"{name}.http").read_bytes())
    assert reply is not None
    return reply


def page(body: str | bytes, status: int = 200, **headers: str) -> Reply:
    data = body.encode() if isinstance(body, str) else body
    return Reply(status, {name.replace("_", "-"): text for name, text in headers.items()}, data)


def test_a_connect_worker_and_its_mirror():
    assert web.metrics_of(captured("connect-metrics"), is_whole=True) is None
    version, cluster = web.connect_of(captured("connect-root")) or ("", "")
    assert (version, cluster) == ("4.3.1", "EdgeVitalsLabClusterAA")
    found = web.connectors_of(captured("connect-connectors"))
    assert found is not None
    count, (mirror,) = found
    assert count == 1
    assert (mirror.source, mirror.target) == ("plant", "central")
    assert mirror.topics == ("pos\\..*", "orders")
    assert "secret" not in repr(found)


def test_connectors_that_are_no_mirrors_and_answers_that_are_none():
    sink = {"a": {"info": {"config": {"connector.class": "FileStreamSink"}}}}
    assert web.connectors_of(page(json.dumps(sink))) == (1, ())
    assert web.connectors_of(page("[]", 500)) is None
    assert web.connectors_of(page('{"a": 1, "b": {"info": []}}')) == (2, ())


def test_a_mirror_without_aliases_has_those_of_mirrormaker():
    config = {"connector.class": "x.MirrorSourceConnector"}
    found = web.connectors_of(page(json.dumps({"m": {"info": {"config": config}}})))
    assert found == (1, (Mirror(name="m", source="source", target="target", topics=(".*",)),))


@pytest.mark.parametrize(
    "text,exporter",
    [
        ('node_uname_info{machine="x"} 1\n', "node_exporter"),
        ('jmx_exporter_build_info{version="1"} 1\n', "jmx_exporter"),
        ("jmx_scrape_duration_seconds 0.1\nkafka_brokers 1\n", "jmx_exporter"),
        ("kafka_brokers 1\nkafka_exporter_build_info 1\n", "kafka_exporter"),
        ("kafka_consumergroup_group_lag 1\n", "kafka-lag-exporter"),
        ("kminion_kafka_cluster_info 1\n", "kminion"),
        ("edgevitals_round_seq 1\n", "edgevitals"),
        ("flink_taskmanager_Status_JVM_CPU_Load 0\n", "flink"),
        ("go_info 1\n", "a Go program"),
        ("orders_total 1\n", "metrics"),
    ],
)
def test_the_metrics_say_whose_they_are(text, exporter):
    found = web.metrics_of(page(f"# HELP a b\n{text}"), is_whole=True)
    assert found == Judged(exporter, text.count("\n"))


@pytest.mark.parametrize(
    "reply",
    [
        page("<html>a 1\n</html>"),
        page("{}"),
        page(""),
        page("# TYPE a gauge\n"),
        page("a 1\n", 404),
        page("a 1\n", content_type="text/html"),
        page(b"\xff\xfe 1\n"),
    ],
)
def test_what_is_no_page_of_metrics(reply):
    assert web.metrics_of(reply, is_whole=True) is None


def test_a_page_that_is_cut_is_judged_by_its_whole_lines():
    assert web.metrics_of(page("a 1\nb{c="), is_whole=False) == Judged("metrics", 1)
    assert web.metrics_of(page("a 1\nb{c="), is_whole=True) is None


@pytest.mark.parametrize(
    "reply,name",
    [
        (page("{}", content_type="application/vnd.schemaregistry.v1+json"), "Schema Registry"),
        (page("", 307, location="http://a:8088/info"), "ksqlDB"),
        (page('{"KsqlServerInfo": {"version": "7"}}'), "ksqlDB"),
        (page("<html><title>Apache Flink Web Dashboard</title>"), "Flink"),
        (page("{}", content_type="application/vnd.kafka.v2+json"), "Kafka REST proxy"),
        (page("<html>"), ""),
        (page("[" * 100_000), ""),
    ],
)
def test_what_answers_at_the_root(reply, name):
    assert web.service_of(reply) == name


def test_answers_may_be_chunked_and_need_not_be_http():
    data = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\na 1\r\n1\r\n\n\r\n0\r\n\r\n"
    )
    reply = web.read_reply(data)
    assert reply is not None
    assert reply.body == b"a 1\n"
    assert web.read_reply(b"SSH-2.0-OpenSSH_9\r\n") is None
    assert web.read_reply(b"") is None
    cut = web.read_reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\na 1")
    assert cut is not None
    assert cut.body == b"a 1"


def test_a_question_ends_with_an_empty_line_and_keeps_nothing_open():
    asked = web.request("/metrics", "a:1")
    assert asked.startswith(b"GET /metrics HTTP/1.0\r\nHost: a:1\r\n")
    assert asked.endswith(b"Connection: close\r\n\r\n")


def test_a_web_server_is_known_by_its_first_bytes():
    assert all(web.is_http(data) for data in (b"HTT", b"HTTP", b"HTTP/1.1 400 Bad Request"))
    assert not any(web.is_http(data) for data in (b"", b"HT", b"HTTX", b"SSH-2.0"))
