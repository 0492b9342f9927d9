"""`edgevitals check --uses`: our small boards against what a real broker gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from collector.cli.program import edgevitals
from tests.lab.ports import free_port

DATA = Path(__file__).parents[1] / "data" / "uses"
STRIMZI, CONFLUENT = DATA / "strimzi-like.json", DATA / "confluent-like.json"
RULES = DATA / "rules.yaml"

pytestmark = pytest.mark.usefixtures("traffic")


@pytest.fixture
def config(broker, tmp_path):
    def write(names, *, jmx=broker.jmx_address):
        (tmp_path / "c.yaml").write_text(
            "site: a\nlabels: {env: lab, namespace: lab}\n"
            f"kafka: {{bootstrap.servers: '{broker.bootstrap}'}}\n"
            f"sources: {{jmx: [{{address: '{jmx}', names: {names}}}], host: true, kafka: true}}\n"
        )
        return tmp_path / "c.yaml"

    return write


def uses(*args):
    result = CliRunner().invoke(edgevitals, ["check", "--uses", *map(str, args), "-o", "json"])
    return result.exit_code, json.loads(result.stdout)


def panels(said):
    return {one["title"]: one["can_have_data"] for one in said["parts"] if one["kind"] == "panel"}


def metrics(said):
    return {one["metric"]: (one["given"], one["nearest"]) for one in said["metrics"]}


def test_a_board_in_the_names_of_strimzi(config):
    code, said = uses(STRIMZI, RULES, config("[strimzi]"))
    assert code == 1
    assert all(one["up"] for one in said["targets"]), said["targets"]
    assert panels(said) == {
        "Bytes in": "yes",
        "Messages in": "yes",
        "Under-replicated partitions": "yes",
        "Offline partitions": "yes",
        "Controller": "yes",
        "Produce, slowest": "yes",
        "Produce, slowest, old": "not now",
        "Request handlers idle": "yes",
        "Heap": "yes",
        "Memory of the pods": "no",
        "Partitions, or what else counts them": "yes",
        "Under-replicatd, misspelt": "no",
    }
    assert metrics(said)["kafka_server_replicamanager_underreplicatdpartitions"] == (
        "no",
        "kafka_server_replicamanager_underreplicatedpartitions",
    )
    assert metrics(said)["site:bytes_in:rate5m"] == ("yes", "")
    assert list(said["missing_labels"]) == ["strimzi_io_cluster"]  # namespace is set
    rules = {one["title"]: one["can_have_data"] for one in said["parts"] if one["kind"] == "alert"}
    assert rules == {
        "NothingComesIn": "yes",
        "UnderReplicated": "yes",
        "NoController": "yes",
        "PodRestarts": "no",
    }


def test_a_board_in_the_names_of_confluents_ansible(config):
    _, said = uses(CONFLUENT, config("[cp-ansible]"))
    found = panels(said)
    assert found.pop("Cluster links") in {"no", "not now"}  # Apache Kafka has none
    assert found == {
        "Active controllers": "yes",
        "Brokers online": "yes",
        "CPU": "yes",
        "Bytes in": "yes",
        "Fetch, 95 of 100": "yes",
    }
    assert said["missing_labels"] == {}


def test_the_same_board_with_other_names_is_mostly_empty(config):
    code, said = uses(CONFLUENT, config("[cfk]"))
    assert code == 1
    assert panels(said)["CPU"] == "yes"
    assert panels(said)["Active controllers"] == "no"
    given, nearest = metrics(said)["kafka_server_brokertopicmetrics_bytesinpersec"]
    assert given == "no"
    assert nearest.startswith("kafka_server_")


def test_a_jvm_that_is_down_leaves_its_names_untold(config):
    code, said = uses(CONFLUENT, config("[cp-ansible]", jmx=f"127.0.0.1:{free_port()}"))
    assert code == 3
    assert [one["up"] for one in said["targets"]] == [False, True, True]
    assert "Connection refused" in said["targets"][0]["error"]
    assert set(panels(said).values()) == {"unknown"}
