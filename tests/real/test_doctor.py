"""The doctor beside a real broker: a JMX port that it opens, and doors that don't let us in."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import pytest

from collector.config import Address, JmxConfig, load
from collector.doctor import jmx, kafka
from collector.doctor.finding import Finding, Layer, Verdict
from collector.doctor.sink import look as look_at_sink
from tests.lab.doors import Doors, scram, set_password, tls
from tests.lab.java.jvm import jdks
from tests.lab.kafka import HOST, Kafka
from tests.lab.ports import free_port
from tests.lab.prometheus import Prometheus
from tests.lab.waiting import wait_for
from tests.real.edge import SOON, Edge, run, sink
from tests.unit.sinks.certificates import Authority

USER, PASSWORD = "edge", "canary-one"


class Site(Doors):
    """A broker without a JMX port, and with four doors; and the files of those who come."""

    def __init__(self, folder: Path) -> None:
        self.own, self.other = Authority(folder / "own"), Authority(folder / "other")
        self.folder = folder
        store, odd = self._store("broker", f"IP:{HOST}"), self._store("odd", "DNS:odd.example")
        doors = {
            "SCRAM": scram(),
            "TLS": tls(store),
            "ODD": tls(odd),
            "MUTUAL": tls(store, clients=self.own.file),
        }
        super().__init__(folder / "kafka", doors, jmx=False)

    def _store(self, name: str, alternative: str) -> Path:
        certificate, key = self.own.signed(name, alternative)
        store = self.folder / f"{name}.pem"
        store.write_bytes(key.read_bytes() + certificate.read_bytes())
        return store

    def scram(self, password: str = PASSWORD, user: str = USER) -> dict[str, str]:
        file = self.folder / f"password-{password}"
        file.write_text(password)
        file.chmod(0o600)
        return {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-256",
            "sasl.username": user,
            "sasl.password_file": str(file),
        }

    def tls(self, authority: Authority | None = None) -> dict[str, str]:
        trusted = str((authority or self.own).file)
        return {"security.protocol": "SSL", "ssl.ca.location": trusted}

    def mutual(self, authority: Authority, name: str, *, is_over: bool = False) -> dict[str, str]:
        certificate, key = authority.signed(name, is_over=is_over)
        mine = {"ssl.certificate.location": str(certificate), "ssl.key.location": str(key)}
        return {**self.tls(), **mine}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site")) as broker:
        set_password(broker, USER, PASSWORD)
        yield broker


def look(folder: Path, bootstrap: str, properties: Mapping[str, str]) -> list[Finding]:
    file = folder / "c.yaml"
    settings = {
        "site": "a",
        "kafka": {"bootstrap.servers": bootstrap, **properties},
        "sources": {"kafka": True},
        "topic": {"name": "telemetry"},
    }
    file.write_text(json.dumps(settings))
    return list(kafka.look(load(file, {}).config))


@pytest.mark.parametrize("java", jdks().values(), ids=jdks())
def test_a_jmx_port_is_opened_in_a_jvm_that_runs_by_what_the_doctor_prints(
    tmp_path: Path, site: Site, java: str
):
    """The broker goes on as it is. On each JDK of TEST_JDKS a broker of its own is opened."""
    if java == "java":
        _open_and_read(site, "jcmd")
    else:
        with Kafka(tmp_path / "kafka", java=java, jmx=False) as broker:
            _open_and_read(broker, str(Path(java).with_name("jcmd")))


def _open_and_read(broker: Kafka, jcmd: str) -> None:
    port = free_port()
    where = JmxConfig(address=Address(HOST, port))
    (finding,) = jmx.look(where)
    assert (finding.layer, finding.verdict) == (Layer.JMX, Verdict.PROBLEM)
    here = f"jcmd {broker.process.pid} ManagementAgent.start "
    (line,) = [line for line in finding.do if here in line]
    _, command = line.split(": ", 1)
    words = [jcmd if word == "jcmd" else word for word in shlex.split(command)]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    (finding,) = jmx.look(where)
    assert finding.verdict is Verdict.OK
    assert finding.says.endswith(f" MBeans, broker {broker.node_id}")
    words[words.index("ManagementAgent.start") :] = ["ManagementAgent.stop"]
    subprocess.run(words, check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("door", ["SCRAM", "TLS", "MUTUAL"])
def test_the_collector_comes_in_by_each_door(tmp_path: Path, site: Site, door: str):
    """The source reads, the topic is written; and the doctor beside it finds nothing wrong."""
    ways = {"SCRAM": site.scram(), "TLS": site.tls(), "MUTUAL": site.mutual(site.own, "me")}
    properties = ways[door]
    edge = Edge(
        tmp_path,
        kafka={"bootstrap.servers": site.at[door], **properties},
        sources={"kafka": True},
        topic={"name": f"telemetry-{door}", "max_size": "96MiB"},
    )
    with edge:
        wait_for(lambda: edge.pump("publish")["delivered_rounds"] > 1, SOON, "rounds in the topic")
        wait_for(
            lambda: edge.target("kafka_exporter")["up"] and "kafka_brokers{" in edge.metrics(),
            SOON,
            "a whole read",
        )
        result = run("doctor", "-c", edge.file, "-o", "json")
        assert edge.terminate() == 0
    findings = json.loads(result.stdout)["findings"]
    assert [one for one in findings if one["verdict"] != "ok"] == []
    assert result.returncode == 0
    assert PASSWORD not in result.stdout + edge.log


@pytest.fixture(scope="module")
def refused(site: Site, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finding]:
    """What the doctor says of each that is not let in. All at once, since each waits for 3 s."""
    other = site.other
    tried: dict[str, tuple[str, dict[str, str]]] = {
        "a wrong password": (site.at["SCRAM"], site.scram("canary-two")),
        "a user that is none": (site.at["SCRAM"], site.scram(user="nobody")),
        "a mechanism that is off": (
            site.at["SCRAM"],
            {**site.scram(), "sasl.mechanism": "SCRAM-SHA-512"},
        ),
        "a broker that is not trusted": (site.at["TLS"], site.tls(other)),
        "a broker of another name": (site.at["ODD"], site.tls()),
        "no certificate": (site.at["MUTUAL"], site.tls()),
        "a certificate of another authority": (site.at["MUTUAL"], site.mutual(other, "me")),
        "a certificate that is over": (
            site.at["MUTUAL"],
            site.mutual(site.own, "late", is_over=True),
        ),
        "no TLS where there is some": (site.at["TLS"], {}),
        "TLS where there is none": (site.bootstrap, site.tls()),
        "nobody there": (f"{HOST}:{free_port()}", {}),
    }
    folders = {name: tmp_path_factory.mktemp("config") for name in tried}

    def one(name: str) -> Finding:
        findings = look(folders[name], *tried[name])
        (wrong,) = [finding for finding in findings if finding.verdict is not Verdict.OK]
        return wrong

    with ThreadPoolExecutor(4) as pool:
        return dict(zip(tried, pool.map(one, tried), strict=True))


@pytest.mark.parametrize(
    "who,layer,do",
    [
        ("a wrong password", Layer.LOGIN, "compare sasl.password_file with the broker's"),
        ("a user that is none", Layer.LOGIN, "--entity-name nobody"),
        ("a mechanism that is off", Layer.LOGIN, "SCRAM-SHA-512"),
        ("a broker that is not trusted", Layer.TLS, "name the authority that signed"),
        ("a broker of another name", Layer.TLS, "names another host"),
        ("no certificate", Layer.TLS, "does not accept our certificate"),
        ("a certificate of another authority", Layer.TLS, "does not accept our certificate"),
        ("a certificate that is over", Layer.TLS, "does not accept our certificate"),
        ("no TLS where there is some", Layer.TLS, "security.protocol"),
        ("TLS where there is none", Layer.TLS, "security.protocol"),
        ("nobody there", Layer.NETWORK, "check that the broker runs"),
    ],
)
def test_who_is_not_let_in_is_told_why(refused, who, layer, do):
    finding = refused[who]
    assert (finding.layer, finding.verdict) == (layer, Verdict.PROBLEM), finding
    assert do in finding.do[0], finding
    assert "canary" not in str(finding)


@pytest.mark.parametrize("release", [2, 3])
def test_a_prometheus_takes_a_request_of_nothing(tmp_path: Path, release: Literal[2, 3]):
    with Prometheus(tmp_path / "prometheus", release=release) as centre:
        told: dict[str, Any] = {**sink(centre.write_url), "protocol": "remote_write"}
        file = tmp_path / "c.yaml"
        file.write_text(json.dumps({"site": "a", "sources": {"host": True}, "sinks": [told]}))
        (one,) = load(file, {}).config.sinks
        findings = list(look_at_sink(one))
        assert {finding.verdict for finding in findings} == {Verdict.OK}, findings
        assert findings[-1].subject == "centre out_of_order_time_window"
