"""The centre: its files are what their programs take, and an alert goes all the way to a person."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from collector.catalog.limits import READ_BY_ALERTS
from tests.lab import go, parts
from tests.lab.kafka import Kafka
from tests.lab.traffic import Traffic
from tests.lab.waiting import wait_for
from tests.real.centre import CENTRAL, IN_CONTAINERS, PROJECT, TOKEN, Centre, hurry, services
from tests.real.edge import SITE, SOON, Edge, jmx, sink

ROUTES = CENTRAL / "alertmanager.yml"
ALERTS = [
    rule
    for path in sorted((PROJECT / "alerts").glob("*.yaml"))
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
]
NEVER_MUTED = {"EVTimeToDataLoss", "EVBacklogFilling"}
NEED_A_LINK = {
    "edgevitals:data_loss:timestamp_seconds",
    "edgevitals:unread_since:timestamp_seconds",
}
WAYS = {
    "critical": "pager,chat",
    "warning": "chat",
    "info": "digest",
    "none": "deadman",
}


def run(*command: str | Path) -> str:
    done = subprocess.run(
        command, cwd=CENTRAL, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_and_alertmanager_take_the_files_as_they_are(promtool: Path):
    said = run(promtool, "check", "config", CENTRAL / "prometheus.yml")
    assert f"{len(list((PROJECT / 'alerts').glob('*.yaml')))} rule files found" in said
    run(parts.amtool(), "check-config", ROUTES)
    config = yaml.safe_load((CENTRAL / "prometheus.yml").read_text())
    assert config["storage"]["tsdb"]["out_of_order_time_window"] == "31d"


@pytest.mark.parametrize("severity", WAYS)
def test_an_alert_goes_where_its_severity_says(severity: str):
    labels = next(
        ({"alertname": rule["alert"], **rule["labels"]})
        for rule in [*ALERTS, {"alert": "EVOther", "labels": {"severity": "info"}}]
        if rule["labels"]["severity"] == severity
    )
    words = [f"{name}={value}" for name, value in labels.items()]
    verify = f"--verify.receivers={WAYS[severity]}"
    run(parts.amtool(), "config", "routes", "test", f"--config.file={ROUTES}", verify, *words)


def test_an_alert_of_no_severity_of_ours_is_told_and_one_of_none_is_not():
    for labels, receiver in (("severity=page", "chat"), ("severity=none", "nobody")):
        verify = f"--verify.receivers={receiver}"
        run(parts.amtool(), "config", "routes", "test", f"--config.file={ROUTES}", verify, labels)


def test_compose_takes_the_file_and_all_that_it_mounts_is_there():
    told = yaml.safe_load(run(go.compose(), CENTRAL / "compose.yaml"))
    secrets = {Path(one["file"]).name for one in told["secrets"].values()}
    assert secrets == {"webhook_token", "grafana_password"}
    for name, service in told["services"].items():
        image, _, tag = service["image"].rpartition(":")
        assert image.startswith("docker.io/"), name
        assert any(c.isdigit() for c in tag), name
        assert {port["host_ip"] for port in service["ports"]} == {"127.0.0.1"}, name
        for mount in service["volumes"]:
            if mount["type"] == "bind":
                assert mount["read_only"]
                assert Path(mount["source"]).exists(), mount
    ignored = run("git", "check-ignore", *(f"secrets/{one}" for one in secrets))
    assert len(ignored.split()) == len(secrets)


def test_what_the_files_name_is_where_compose_puts_it():
    """The paths inside the containers, against the mounts; the addresses, against the services."""
    mounts = {
        name: dict(str(one).removesuffix(":ro").split(":")[::-1] for one in service["volumes"])
        for name, service in services().items()
    }
    within = f"{IN_CONTAINERS}/deploy/central"
    assert mounts["prometheus"][f"{within}/prometheus.yml"] == "./prometheus.yml"
    assert mounts["prometheus"][f"{IN_CONTAINERS}/alerts"] == "../../alerts"
    assert f"--config.file={within}/prometheus.yml" in services()["prometheus"]["command"]
    assert mounts["alertmanager"][f"{within}/alertmanager.yml"] == "./alertmanager.yml"
    assert f"--config.file={within}/alertmanager.yml" in services()["alertmanager"]["command"]
    (secret,) = services()["alertmanager"]["secrets"]
    receivers = yaml.safe_load(ROUTES.read_text())["receivers"]
    logins = {
        hook["http_config"]["authorization"]["credentials_file"]
        for receiver in receivers
        for hook in receiver.get("webhook_configs", ())
    }
    assert {f"{within}/{login}" for login in logins} == {secret["target"]}
    (provider,) = provisioned("dashboards/edgevitals.yaml")["providers"]
    assert mounts["grafana"][provider["options"]["path"]] == "../../dashboards/out"
    assert mounts["grafana"]["/etc/grafana/provisioning"] == "./grafana"
    (source,) = provisioned("datasources/edgevitals.yaml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    home = services()["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (PROJECT / Path(home).relative_to(IN_CONTAINERS)).exists()


def provisioned(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CENTRAL / "grafana" / name).read_text())
    return found


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    """As the files are, but for addresses."""
    with Centre(tmp_path / "centre") as running:
        yield running


def test_a_dark_site_mutes_its_other_alerts_and_never_what_counts_down(centre: Centre):
    of_sites = [rule for rule in ALERTS if rule["labels"]["scope"] == "site"]
    others = [
        {"alertname": rule["alert"], **rule["labels"], "site": site, "thing": str(number)}
        for number, rule in enumerate(of_sites)
        for site in ("dark", "light")
        if rule["labels"]["severity"] == "warning" or rule["alert"] not in NEVER_MUTED
    ]
    # Alone of their kind: no worse one mutes the warning, no broker explains a target.
    others = [one for one in others if one["alertname"] != "EVKafkaBrokerDown"]
    alone = [
        one
        for one in others
        if one["severity"] == "critical"
        or not any(
            (one["alertname"], "critical") == (other["alertname"], other["severity"])
            for other in others
        )
    ]
    silent = {"alertname": "EVSiteSilent", "severity": "warning", "scope": "fleet", "site": "dark"}
    node = {**silent, "alertname": "EVNodeSilent", "node": "n2"}
    alone += [node, {**node, "site": "light"}]
    centre.alertmanager.post([silent, *alone])

    def states() -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for one in centre.alertmanager.alerts():
            if one["labels"].get("site") and one["status"]["state"] != "unprocessed":
                key = f"{one['labels']['site']}: {one['status']['state']}"
                found.setdefault(key, set()).add(one["labels"]["alertname"])
        return found

    names = {one["alertname"] for one in alone}
    expected = {
        "light: active": names,
        "dark: active": {"EVSiteSilent", *NEVER_MUTED},
        "dark: suppressed": names - NEVER_MUTED,
    }
    wait_for(lambda: states() == expected, SOON, "the states of all alerts")
    assert names >= NEVER_MUTED


def test_the_worse_mutes_the_milder_and_a_broker_what_follows_from_it(centre: Centre):
    disk = {"alertname": "EVDiskRunway", "site": "s", "node": "n1", "mountpoint": "/"}
    down = {"site": "s", "severity": "warning", "scope": "site"}
    centre.alertmanager.post(
        [
            {**disk, "severity": "warning"},
            {**disk, "severity": "critical"},
            {**disk, "severity": "warning", "mountpoint": "/other"},
            {**down, "alertname": "EVKafkaBrokerDown", "severity": "critical"},
            {**down, "alertname": "EVTargetDown", "job": "kafka"},
            {**down, "alertname": "EVTargetDown", "job": "node"},
            {**down, "alertname": "EVKafkaUnderReplicated"},
            {**down, "alertname": "EVKafkaUnderReplicated", "site": "t"},
        ]
    )

    def suppressed() -> set[tuple[str, str]]:
        return {
            (one["labels"]["alertname"], one["labels"].get("job", one["labels"]["severity"]))
            for one in centre.alertmanager.alerts()
            if one["status"]["state"] == "suppressed"
        }

    muted = {("EVDiskRunway", "warning"), ("EVTargetDown", "kafka")}
    muted |= {("EVKafkaUnderReplicated", "warning")}
    wait_for(lambda: suppressed() == muted, SOON, "what is muted")
    states = [one["status"]["state"] for one in centre.alertmanager.alerts()]
    assert states.count("suppressed") == 3


def test_hurried_is_only_what_waits():
    assert hurry("interval: 1m\n  for: 30m\n  - evaluation_interval: 1m\n  expr: x[1h] > 60\n") == (
        "interval: 1000ms\n  for: 30000ms\n  - evaluation_interval: 1000ms\n  expr: x[1h] > 60\n"
    )


def test_a_broker_that_dies_reaches_a_person_and_so_does_its_return(tmp_path: Path):
    """The whole way: broker, collector, Prometheus, rules, Alertmanager, webhook; and back."""
    with (
        Kafka(tmp_path / "kafka") as broker,
        Centre(tmp_path / "centre", hurried=True) as centre,
        Edge(
            tmp_path / "edge",
            kafka={"bootstrap.servers": broker.bootstrap},
            sources={"jmx": jmx(broker), "host": True, "kafka": {}},
            sinks=[sink(centre.prometheus.write_url, pulse=True)],
        ),
    ):
        wait_for(lambda: centre.calls("deadman"), SOON, "the dead man's switch")
        with Traffic(broker.bootstrap):
            read = {metric.name for metric in READ_BY_ALERTS}
            wait_for(lambda: names_at(centre, read) == read, 60.0, "all that the alerts read")
        rules = centre.prometheus.rules()
        recorded = {rule["name"] for rule in rules if rule["type"] == "recording"} - NEED_A_LINK
        wait_for(lambda: names_at(centre, recorded) == recorded, SOON, "all that is recorded")
        assert {rule["name"] for rule in rules} >= {rule["alert"] for rule in ALERTS}
        rules = centre.prometheus.rules()
        assert [(rule["name"], rule.get("lastError")) for rule in rules if not is_well(rule)] == []
        down = {"alertname": "EVKafkaBrokerDown", "site": SITE, "severity": "critical"}
        # On a machine that is busy the start itself may be told: then until it is over.
        wait_for(lambda: is_quiet(centre), 60.0, "a broker that is well")
        before = len(told(centre, "pager", "firing", down))
        cleared = len(told(centre, "pager", "resolved", down))
        broker.kill()
        wait_for(lambda: told(centre, "pager", "firing", down)[before:], 60.0, "the page")
        call = told(centre, "pager", "firing", down)[-1]
        assert call.authorization == f"Bearer {TOKEN}"
        assert call.told["groupLabels"] == {"site": SITE}
        (alert,) = (one for one in call.told["alerts"] if down.items() <= one["labels"].items())
        assert alert["annotations"]["summary"] == f"Kafka brokers down at {SITE}: 1"
        assert alert["annotations"]["runbook_url"] == "alerts/runbooks/EVKafkaBrokerDown.md"
        wait_for(lambda: told(centre, "chat", "firing", down), SOON, "the same in chat")
        wait_for(lambda: muted(centre) == {"kafka", "kafka_exporter"}, SOON, "its targets, muted")
        broker.start()
        wait_for(lambda: told(centre, "pager", "resolved", down)[cleared:], 90.0, "the all-clear")


def is_quiet(centre: Centre) -> bool:
    """Whether nobody has been told of a broker that is down, or all of it is resolved."""
    calls = centre.calls("pager")
    return not calls or calls[-1].told["status"] == "resolved"


def names_at(centre: Centre, names: set[str]) -> set[str]:
    """Which of these metrics the centre has of the site."""
    found = centre.prometheus.query(f'{{site="{SITE}",__name__=~"{"|".join(names)}"}}')
    return {one.labels["__name__"] for one in found}


def is_well(rule: dict[str, Any]) -> bool:
    """Whether it was judged, and without an error."""
    return bool(rule["health"] == "ok")


def told(centre: Centre, receiver: str, status: str, labels: dict[str, str]) -> list[Any]:
    """The calls that tell of such an alert, in this status."""
    return [
        call
        for call in centre.calls(receiver)
        if any(
            one["status"] == status and labels.items() <= one["labels"].items()
            for one in call.told["alerts"]
        )
    ]


def muted(centre: Centre) -> set[str]:
    """The jobs whose EVTargetDown fires and goes to nobody."""
    return {
        one["labels"]["job"]
        for one in centre.alertmanager.alerts()
        if one["labels"]["alertname"] == "EVTargetDown" and one["status"]["state"] == "suppressed"
    }
