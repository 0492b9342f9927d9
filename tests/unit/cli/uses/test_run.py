"""`edgevitals check --uses` on our small boards, without asking anybody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from collector.cli.program import edgevitals

DATA = Path(__file__).parents[3] / "data" / "uses"
STRIMZI, CONFLUENT = DATA / "strimzi-like.json", DATA / "confluent-like.json"
RULES = DATA / "rules.yaml"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def config(names):
    Path("c.yaml").write_text(
        f"site: a\nsources: {{jmx: [{{address: '127.0.0.1:1', names: {names}}}]}}\n"
    )
    return "c.yaml"


def check(*args):
    return CliRunner().invoke(edgevitals, ["check", *map(str, args)])


def metrics(result):
    return {one["metric"]: one for one in json.loads(result.stdout)["metrics"]}


def test_offline_the_rules_are_asked():
    result = check("--uses", "--offline", STRIMZI, config("[strimzi]"), "-o", "json")
    assert result.exit_code == 1
    found = metrics(result)
    assert found["jvm_memory_used_bytes"]["given"] == "yes"
    assert found["kafka_server_brokertopicmetrics_bytesin_total"]["given"] == "perhaps"
    assert found["container_memory_usage_bytes"]["given"] == "no"
    said = json.loads(result.stdout)
    assert said["basis"] == "the rules of c.yaml, without asking anybody"
    assert [one["up"] for one in said["targets"]] == [None]


def test_without_a_config_it_is_what_the_default_gives():
    result = check("--uses", RULES)
    assert result.stdout.startswith(
        "judged by a config with jmx (names: [default]), host and kafka"
    )
    assert "kube_pod_container_status_restarts_total" in result.stdout
    assert result.exit_code == 1


def test_of_a_page_that_is_scraped_nobody_knows_the_names():
    Path("c.yaml").write_text("site: a\nsources: {scrape: [{url: 'http://a:1/', job: flink}]}\n")
    Path("rules.yaml").write_text("groups: [{rules: [{alert: A, expr: 'flink_jobs > 1'}]}]")
    result = check("--uses", "--offline", "c.yaml", "rules.yaml", "-o", "json")
    one = metrics(result)["flink_jobs"]
    assert (one["given"], one["why"]) == ("perhaps", "flink a:1 may have it: a page is scraped")


def test_what_all_is_given_is_0():
    Path("rules.yaml").write_text(
        "groups: [{rules: [{alert: A, expr: 'edgevitals_round_seq > jvm_threads_current'}]}]"
    )
    result = check("--uses", "--offline", config("[default]"), "rules.yaml")
    assert result.exit_code == 0, result.stdout
    assert result.stdout.endswith("rules.yaml: alert rules that can have data: 1 of 1\n")


@pytest.mark.parametrize(
    "args,says",
    [
        (("--uses",), "Missing argument 'FILES...'"),
        (("--uses", "c.yaml"), "name a dashboard (JSON of Grafana) or a rule file to look at"),
        (("--uses", "c.yaml", "d.yaml", str(RULES)), "c.yaml and d.yaml: neither is a dashboard"),
        (("c.yaml", "d.yaml"), "one config at a time; for dashboards and rules there is --uses"),
        (("--offline", "c.yaml"), "--offline and --output go with --uses"),
        (("-o", "json", "c.yaml"), "--offline and --output go with --uses"),
        (("--uses", str(RULES), "wrong.yaml"), "wrong.yaml:1:1: error: "),
        (("--uses", "nope.json"), "nope.json: No such file or directory\n  check the path"),
    ],
)
def test_wrong_usage_is_2(args, says):
    config("[default]")
    Path("d.yaml").write_text("site: b\n")
    Path("wrong.yaml").write_text("sitte: b\n")
    result = check(*args)
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stdout == ""
