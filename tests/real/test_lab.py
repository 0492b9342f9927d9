"""The parts that all other tests stand on do what they say."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from cramjam import snappy

from tests.lab import process
from tests.lab.kafka import Kafka
from tests.lab.ports import free_port
from tests.lab.process import Process, StartError
from tests.lab.prometheus import Prometheus, QueryError
from tests.lab.protos import write_request_class
from tests.lab.proxy import Cut, Proxy
from tests.lab.traffic import GROUPS, Traffic
from tests.lab.waiting import wait_for
from tests.lab.witness import RemoteWriteWitness


def write(url: str, name: str, at: float, value: float) -> int:
    """Send one sample by remote write and return the status."""
    request = write_request_class()()
    series = request.timeseries.add()
    series.labels.add(name="__name__", value=name)
    series.samples.add(timestamp=round(at * 1000), value=value)
    headers = {
        "Content-Type": "application/x-protobuf",
        "Content-Encoding": "snappy",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }
    body = bytes(snappy.compress_raw(request.SerializeToString()))
    timeout = urllib3.Timeout(5.0)
    with urllib3.PoolManager(retries=False, timeout=timeout) as pool:
        return pool.request("POST", url, body=body, headers=headers).status


@pytest.fixture
def link(prometheus: Prometheus) -> Iterator[tuple[Proxy, str, RemoteWriteWitness]]:
    """A proxy before Prometheus, the write URL through it, and the witness that looks on."""
    with RemoteWriteWitness() as witness, Proxy(prometheus.port, witness.tap) as proxy:
        yield proxy, f"http://{proxy.address}/api/v1/write", witness


def test_a_port_is_given_once():
    ports = {free_port() for _ in range(50)}
    assert len(ports) == 50
    assert max(ports) < 32_768


def test_the_broker_answers_on_kafka_and_on_jmx(broker: Kafka):
    cluster = AdminClient({"bootstrap.servers": broker.bootstrap}).list_topics(timeout=10.0)
    assert list(cluster.brokers) == [broker.node_id]
    with socket.create_connection(("127.0.0.1", broker.jmx_port), timeout=10.0) as jmx:
        jmx.sendall(b"JRMI\x00\x02\x4b")
        assert jmx.recv(1) == b"\x4e"  # ProtocolAck of Java RMI


def test_the_traffic_keeps_true_books_and_three_groups(broker: Kafka, traffic: Traffic):
    topic = traffic.topics[0]
    client = AdminClient({"bootstrap.servers": broker.bootstrap})
    groups = {group.group_id for group in client.list_consumer_groups().result(10.0).valid}
    assert set(GROUPS) <= groups
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "test-lab-reader"})
    try:
        start = time.time()
        places = [TopicPartition(topic, partition) for partition in range(traffic.partitions)]
        end_offset = sum(consumer.get_watermark_offsets(place, 10.0)[1] for place in places)
        end = time.time()
    finally:
        consumer.close()
    wait_for(lambda: traffic.books(topic).written_by(time.time()).acknowledged > end_offset)
    least, most = traffic.books(topic).end_offset_between(start, end)
    assert 0 < least <= end_offset <= most


def test_a_killed_broker_comes_back_with_its_data(own_broker: Kafka):
    with Traffic(own_broker.bootstrap, topics=["orders"], rate=50.0) as traffic:
        own_broker.kill()
        before = traffic.books("orders").written_by(time.time())
        own_broker.start()
        # What waited in the client arrives, and more.
        wait_for(
            lambda: (
                traffic.books("orders").written_by(time.time()).acknowledged > before.produced + 20
            )
        )


def test_a_paused_broker_keeps_its_connections_and_says_nothing(own_broker: Kafka):
    own_broker.pause()
    with socket.create_connection(("127.0.0.1", own_broker.jmx_port), timeout=5.0) as jmx:
        jmx.sendall(b"JRMI\x00\x02\x4b")
        jmx.settimeout(0.2)
        with pytest.raises(TimeoutError):
            jmx.recv(1)
        own_broker.resume()
        jmx.settimeout(10.0)
        assert jmx.recv(1) == b"\x4e"


def test_prometheus_keeps_what_it_was_sent_over_a_kill(prometheus: Prometheus):
    now = time.time()
    assert write(prometheus.write_url, "one", now, 1.5) == 204
    prometheus.kill()
    prometheus.start()
    [track] = prometheus.samples("one", "1m", at=now + 1)
    assert [value for _, value in track.points] == [1.5]
    assert prometheus.query("one", at=now + 1)[0].value == 1.5
    assert prometheus.query_range("one", now, now + 1, 1)[0].labels == {"__name__": "one"}
    with pytest.raises(QueryError, match="parse error"):
        prometheus.query("one(")


def test_prometheus_takes_old_samples_in_its_window_alone(tmp_path: Path):
    now = time.time()
    with Prometheus(tmp_path / "none", out_of_order=None) as strict:
        assert write(strict.write_url, "one", now, 1.0) == 204
        assert write(strict.write_url, "one", now - 600, 1.0) == 400
    with Prometheus(tmp_path / "wide", out_of_order="1h") as wide:
        assert write(wide.write_url, "one", now, 1.0) == 204
        assert write(wide.write_url, "one", now - 600, 1.0) == 204
        assert len(wide.samples("one", "1h", at=now + 1)[0].points) == 2


def test_prometheus_3_takes_remote_write_and_says_who_it_is(tmp_path: Path):
    now = time.time()
    with Prometheus(tmp_path / "three", release=3) as three:
        assert write(three.write_url, "one", now, 1.0) == 204
        assert three.query("one", at=now + 1)[0].value == 1.0
        with urllib.request.urlopen(f"{three.url}/api/v1/status/config") as answer:
            assert b"out_of_order_time_window: 31d" in answer.read()


def test_prometheus_judges_rule_files(tmp_path: Path):
    rules = tmp_path / "rules.yml"
    rules.write_text('groups: [{name: g, rules: [{alert: Always, expr: "vector(1) > 0"}]}]')
    with Prometheus(tmp_path / "p", rules=[rules], evaluation_interval="1s") as judge:
        wait_for(lambda: [alert["state"] for alert in judge.alerts()] == ["firing"])


@pytest.mark.parametrize(
    "how, seen", [(Cut.REFUSE, "refused"), (Cut.RESET, "reset"), (Cut.HANG, "timed out")]
)
def test_a_cut_link_passes_nothing_until_it_is_restored(link, how: Cut, seen: str):
    proxy, url, witness = link
    assert write(url, "one", time.time() - 2, 1.0) == 204
    proxy.cut(how)
    with (
        pytest.raises(urllib3.exceptions.HTTPError, match=seen),
        urllib3.PoolManager(retries=False, timeout=0.5) as pool,
    ):
        pool.request("GET", f"http://{proxy.address}/-/ready")
    assert witness.report().requests == 1
    proxy.restore()
    assert write(url, "one", time.time(), 1.0) == 204
    assert witness.report().requests == 2


def test_a_cut_ends_a_connection_that_is_open(link):
    proxy, _, _ = link
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5.0) as client:
        client.sendall(b"GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        proxy.cut()
        assert client.recv(4096) == b""


def test_the_witness_finds_what_was_planted(link):
    _, url, witness = link
    now = time.time()
    for name, at, value in [
        ("one", now, 1.0),
        ("one", now, 1.0),  # a repeat
        ("one", now - 60, 1.0),  # out of order, in the receiver's window
        ("two", now, 1.0),
    ]:
        assert write(url, name, at, value) == 204
    assert write(url, "two", now, 2.0) == 400  # a conflict: the receiver refuses it too
    report = witness.report()
    assert (report.requests, report.refused, report.samples) == (4, {400: 1}, 4)
    assert (report.repeats, report.out_of_order, report.conflicts) == (1, 1, 0)


def test_a_part_that_does_not_start_shows_its_log(tmp_path: Path):
    with pytest.raises(StartError, match=r"(?s)Kafka node 1 ended with 1.*MadeUpFlag"):
        Kafka(tmp_path, jvm=["-XX:+MadeUpFlag"]).start()
    broken = Process("broken", ["sh", "-c", "echo out of luck; exit 3"], tmp_path / "log")
    broken.start()
    with pytest.raises(StartError, match=r"(?s)ended with 3.*out of luck"):
        broken.wait_until(lambda: False, 10.0)
    assert broken in process.fallen()  # for the report of a test that fails


def test_a_part_ends_with_its_children(tmp_path: Path):
    part = Process("family", ["sh", "-c", "sleep 1000 & echo $!; wait"], tmp_path / "log")
    with part:
        part.wait_until(lambda: (tmp_path / "log").read_text().endswith("\n"), 10.0)
        child = int((tmp_path / "log").read_text())
        assert part in process.running()
    assert part.returncode == -signal.SIGTERM
    assert part not in process.running()
    wait_for(lambda: not is_alive(child))


def test_parts_end_when_the_tests_are_killed(tmp_path: Path):
    """SIGKILL to the process that started them: neither `stop` nor atexit can run."""
    program = (
        "import sys; from pathlib import Path; from tests.lab.process import Process\n"
        "part = Process('orphan', ['sleep', '1000'], Path(sys.argv[1])); part.start()\n"
        "print(part.pid, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "log")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        part = int(owner.stdout.readline())
        # Until it is sleep itself, setpriv may not have asked for its death yet.
        wait_for(lambda: Path(f"/proc/{part}/comm").read_text() == "sleep\n")
        owner.kill()
    wait_for(lambda: not is_alive(part))


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
