"""Secrets and certificates of the Kafka connection: replaced while it runs, and nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.lab.doors import Doors, scram, set_password, tls
from tests.lab.kafka import HOST
from tests.lab.prometheus import Prometheus
from tests.lab.waiting import wait_for
from tests.real.edge import SOON, Edge, seqs_at, sink
from tests.unit.sinks.certificates import Authority


def edge_of(folder: Path, centre: Prometheus, door: str, **kafka: Any) -> Edge:
    return Edge(
        folder,
        kafka={"bootstrap.servers": door, **kafka},
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
    with Doors(tmp_path / "kafka", {"SCRAM": scram()}) as broker:
        set_password(broker, "edge", "one")
        edge = edge_of(
            tmp_path,
            prometheus,
            broker.at["SCRAM"],
            **{
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "SCRAM-SHA-256",
                "sasl.username": "edge",
                "sasl.password_file": str(password),
            },
        )
        with edge:
            must_go_on(edge, prometheus)
            set_password(broker, "edge", "canary-two")
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
    mine, my_key = tmp_path / "me.pem", tmp_path / "me.key"

    def take(files: tuple[Path, Path]) -> None:
        my_key.write_bytes(files[1].read_bytes())
        mine.write_bytes(files[0].read_bytes())

    take(old.signed("edge"))
    with Doors(tmp_path / "kafka", {"TLS": tls(store, clients=new.file)}) as broker:
        edge = edge_of(
            tmp_path,
            prometheus,
            broker.at["TLS"],
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
