"""The alert rules: judged by Prometheus's own tool, and each complete as an alert should be."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from collector.catalog import LIMITS, METRICS

ALERTS = Path(__file__).parents[2] / "alerts"
RULE_FILES = sorted(ALERTS.glob("*.yaml"))
TEST_FILES = sorted((ALERTS / "tests").glob("*.yaml"))
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation", "Verify"]

RULES = [
    rule
    for path in RULE_FILES
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
]
RECORDS = {rule["record"]: rule["expr"] for rule in RULES if "record" in rule}
EACH_ALERT = pytest.mark.parametrize(
    "rule",
    [rule for rule in RULES if "alert" in rule],
    ids=[rule["alert"] for rule in RULES if "alert" in rule],
)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_there_are_rules_and_tests_of_them():
    assert len(RULE_FILES) >= 2
    assert {path.name for path in RULE_FILES} <= {path.name for path in TEST_FILES}


def test_prometheus_takes_the_rules(promtool):
    code, output = run(promtool, "check", "rules", "--lint=all", "--lint-fatal", *RULE_FILES)
    assert code == 0, output


@pytest.mark.parametrize("path", TEST_FILES, ids=[path.stem for path in TEST_FILES])
def test_the_rules_fire_when_they_should(promtool, path):
    code, output = run(promtool, "test", "rules", path)
    assert code == 0, output


@EACH_ALERT
def test_an_alert_has_what_a_person_needs(rule):
    assert re.fullmatch(r"EV[A-Z][A-Za-z]+", rule["alert"])
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["labels"]["scope"] in {"site", "fleet"}
    told = rule["annotations"]
    assert "$labels.site" in told["summary"]
    assert "$value" in told["summary"]
    assert "$labels.site" in told["description"]
    assert "$value" in told["description"]
    assert told["runbook_url"].endswith(f"alerts/runbooks/{rule['alert']}.md")


@EACH_ALERT
def test_an_alert_has_a_runbook_with_all_its_sections(rule):
    text = (ALERTS / "runbooks" / f"{rule['alert']}.md").read_text()
    assert text.splitlines()[0] == f"# {rule['alert']}"
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert {"From the centre", "At the site"} <= {
        line[4:].split(" (")[0] for line in text.splitlines() if line.startswith("### ")
    }


def test_no_runbook_is_left_over():
    alerts = {rule["alert"] for rule in RULES if "alert" in rule}
    assert {path.stem for path in (ALERTS / "runbooks").glob("*.md")} == alerts


@EACH_ALERT
def test_an_alert_has_cases_that_fire_that_are_quiet_and_that_resolve(rule):
    histories = [
        [
            bool(case["exp_alerts"])
            for case in test["alert_rule_test"]
            if case["alertname"] == rule["alert"]
        ]
        for path in TEST_FILES
        for test in yaml.safe_load(path.read_text())["tests"]
    ]
    assert any(_has(history, [False, True, False]) for history in histories)
    assert any(history and not any(history) for history in histories)


@EACH_ALERT
def test_an_alert_reads_only_what_the_catalogue_has(rule):
    names = {name for one in _expressions(rule) for name in _metric_names(one)} - RECORDS.keys()
    assert names
    assert names <= METRICS.keys()


@EACH_ALERT
def test_the_numbers_in_a_rule_are_the_limits_of_the_catalogue(rule):
    numbers = {number for one in _expressions(rule) for number in _numbers(one)}
    assert numbers == {limit.value for limit in LIMITS.values() if limit.alert == rule["alert"]}


def test_no_limit_is_left_over():
    alerts = {rule["alert"] for rule in RULES if "alert" in rule}
    assert {limit.alert for limit in LIMITS.values()} <= alerts


def test_the_silence_that_is_told_is_limit_and_wait_together():
    (rule,) = (rule for rule in RULES if rule.get("alert") == "EVSiteSilent")
    assert rule["for"] == "5m"
    assert LIMITS["site_silent"].value + 5 * 60 == 30 * 60
    text = (ALERTS / "runbooks" / "EVSiteSilent.md").read_text()
    assert "30 minutes of silence" in text
    assert f"{LIMITS['site_forgotten'].value / 86400:.0f} days" in text


def _expressions(rule):
    """The rule's own expression and those of the recording rules that it builds on."""
    found, wanted = [], [rule["expr"]]
    while wanted:
        expression = wanted.pop()
        found.append(expression)
        for name, recorded in RECORDS.items():
            if name in expression and recorded not in found:
                wanted.append(recorded)
    return found


def _bare(expression):
    """The expression without strings, label lists, ranges and groupings."""
    for pattern in (r'"[^"]*"', r"\{[^}]*\}", r"\[[^\]]*\]", r"\b(by|without|on)\s*\([^)]*\)"):
        expression = re.sub(pattern, " ", expression)
    return expression


def _metric_names(expression):
    words = re.findall(r"[A-Za-z_:][\w:]*(?!\w)(?!\s*\()", _bare(expression))
    return set(words) - {"and", "or", "unless", "bool"}


def _numbers(expression):
    return {float(n) for n in re.findall(r"(?<![\w.:])\d+(?:\.\d+)?(?![\w.:])", _bare(expression))}


def _has(history, wanted):
    """Whether `wanted` is in `history`, in its order, with others between."""
    rest = iter(history)
    return all(one in rest for one in wanted)
