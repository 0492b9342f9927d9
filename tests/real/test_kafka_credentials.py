"""Secrets and certificates of the Kafka connection: replaced while it runs, and nothing is lost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from confluent_kafka import admin as kafka_admin

from tests.lab.kafka import HOST, Kafka
from tests.lab.ports import free_port
from tests.lab.prometheus import Prometheus
from tests.lab.waiting import wait_for
from tests.real.edge import SOON, Edge, seqs_at, sink
from tests.unit.sinks.certificates import Authority

SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"


class Guarded(Kafka):
    """A node with a second listener: `own` are its properties, each without its long name."""

    def __init__(self, folder: Path, protocol: str, own: Mapping[str, object]) -> None:
        self.door = free_port()
        super().__init__(folder)
        front = self._properties["listeners"], self._properties["advertised.listeners"]
        there = f"GUARDED://{HOST}:{self.door}"
        protocols = self._properties["listener.security.protocol.map"]
        self._properties |= {
            "listeners": f"{front[0]},{there}",
            "advertised.listeners": f"{front[1]},{there}",
            "listener.security.protocol.map": f"{protocols},GUARDED:{protocol}",
            **{f"listener.name.guarded.{name}": value for name, value in own.items()},
        }


def set_password(broker: Kafka, password: str) -> None:
    admin = kafka_admin.AdminClient({"bootstrap.servers": broker.bootstrap})
    sort: Any = kafka_admin
    how = sort.ScramCredentialInfo(sort.ScramMechanism.SCRAM_SHA_256, 4096)
    change = sort.UserScramCredentialUpsertion("edge", how, password.encode())
    for done in admin.alter_user_scram_credentials([change]).values():
        done.result(30)


def edge_of(folder: Path, centre: Prometheus, door: int, **kafka: Any) -> Edge:
    return Edge(
        folder,
        kafka={"bootstrap.servers": f"{HOST}:{door}", **kafka},
        topic={"name": "telemetry", "max_size": "96MiB"},
        sinks=[sink(centre.write_url)],
    )


def must_go_on(edge: Edge, centre: Prometheus) -> None:
    """Both ends of the topic work again, and nothing is behind."""
    here = edge.seq
    wait_for(lambda: max(seqs_at(centre), default=0) > here, 90.0, "rounds by the topic")
    wait_for(lambda: edge.pump("publish")["backlog_rounds"] == 0, SOON, "the topic")


def test_f31_a_scram_password_that_is_changed_needs_no_restart(tmp_path, prometheus):
    password = tmp_path / "password"
    password.write_text("one")
    own = {
        "sasl.enabled.mechanisms": "SCRAM-SHA-256",
        "scram-sha-256.sasl.jaas.config": f"{SCRAM} required;",
    }
    with Guarded(tmp_path / "kafka", "SASL_PLAINTEXT", own) as broker:
        set_password(broker, "one")
        edge = edge_of(
            tmp_path,
            prometheus,
            broker.door,
            **{
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "SCRAM-SHA-256",
                "sasl.username": "edge",
                "sasl.password_file": str(password),
            },
        )
        with edge:
            must_go_on(edge, prometheus)
            set_password(broker, "canary-two")
            broker.restart()
            wait_for(lambda: edge.pump("publish")["state"] != "idle", SOON, "trouble")
            edge.wait_for_rounds(3)
            password.write_text("canary-two")
            must_go_on(edge, prometheus)
            shown = str(edge.status()) + edge.metrics() + edge.log
            assert edge.terminate() == 0
    stored = seqs_at(prometheus)
    assert stored == edge.seqs_on_disk()[: len(stored)]
    assert "canary-two" not in shown


def test_f32_a_certificate_of_the_kafka_client_is_taken_up_when_it_is_replaced(
    tmp_path, prometheus
):
    """The broker trusts one authority; the client's certificate is of another one at first."""
    old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new")
    store = tmp_path / "broker.pem"
    certificate, key = new.signed("broker", f"IP:{HOST}")
    store.write_bytes(key.read_bytes() + certificate.read_bytes())
    own: dict[str, object] = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": store,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": new.file,
        "ssl.client.auth": "required",
    }
    mine, my_key = tmp_path / "me.pem", tmp_path / "me.key"

    def take(files: tuple[Path, Path]) -> None:
        my_key.write_bytes(files[1].read_bytes())
        mine.write_bytes(files[0].read_bytes())

    take(old.signed("edge"))
    with Guarded(tmp_path / "kafka", "SSL", own) as broker:
        edge = edge_of(
            tmp_path,
            prometheus,
            broker.door,
            **{
                "security.protocol": "SSL",
                "ssl.ca.location": str(new.file),
                "ssl.certificate.location": str(mine),
                "ssl.key.location": str(my_key),
            },
        )
        with edge:
            edge.wait_for_rounds(5)
            assert edge.pump("publish")["delivered_rounds"] == 0, "it fails closed"
            take(new.signed("edge"))
            must_go_on(edge, prometheus)
            assert edge.terminate() == 0
    stored = seqs_at(prometheus)
    assert stored == edge.seqs_on_disk()[: len(stored)]
