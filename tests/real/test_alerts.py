"""The alert rules: judged by Prometheus's own tool, and each complete as an alert should be."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from collector.catalog import LIMITS, METRICS
from collector.catalog.limits import READ_BY_ALERTS

ALERTS = Path(__file__).parents[2] / "alerts"
RULE_FILES = sorted(ALERTS.glob("*.yaml"))
TEST_FILES = sorted((ALERTS / "tests").glob("*.yaml"))
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation", "Do not", "Verify"]
ALWAYS = {"EVWatchdog"}
"""Fire always, and are of no site."""
TRIVIAL = {0, 1}
"""Numbers that say yes or no, and need not be a limit."""

RULES = [
    rule
    for path in RULE_FILES
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
]
RECORDS = {rule["record"]: rule["expr"] for rule in RULES if "record" in rule}
ALERT_RULES = [rule for rule in RULES if "alert" in rule]
EACH_ALERT = pytest.mark.parametrize(
    "rule",
    ALERT_RULES,
    ids=[f"{rule['alert']}-{rule['labels']['severity']}" for rule in ALERT_RULES],
)
NAMES = sorted({rule["alert"] for rule in ALERT_RULES})
EACH_NAME = pytest.mark.parametrize("name", NAMES)
CASES = {
    name: [
        [case for case in test["alert_rule_test"] if case["alertname"] == name]
        for path in TEST_FILES
        for test in yaml.safe_load(path.read_text())["tests"]
        if "alert_rule_test" in test
    ]
    for name in NAMES
}


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
    assert rule["labels"].keys() == {"severity", "scope"}
    assert rule["labels"]["scope"] in {"site", "fleet"}
    told = rule["annotations"]
    assert "$value" in told["summary"]
    assert "$value" in told["description"]
    assert told["runbook_url"].endswith(f"alerts/runbooks/{rule['alert']}.md")
    if rule["alert"] in ALWAYS:
        assert rule["labels"]["severity"] == "none"
        return
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert "$labels.site" in told["summary"]
    assert "$labels.site" in told["description"]


def test_an_alert_of_two_severities_says_the_same_in_both():
    for name in NAMES:
        rules = [rule for rule in ALERT_RULES if rule["alert"] == name]
        assert len({rule["labels"]["severity"] for rule in rules}) == len(rules)
        assert len({str(rule["annotations"]) for rule in rules}) == 1
        assert len({rule.get("for") for rule in rules}) == 1


@EACH_NAME
def test_an_alert_has_a_runbook_with_all_its_sections(name):
    text = (ALERTS / "runbooks" / f"{name}.md").read_text()
    assert text.splitlines()[0] == f"# {name}"
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert {"From the centre", "At the site"} <= {
        line[4:].split(" (")[0] for line in text.splitlines() if line.startswith("### ")
    }


def test_a_runbook_names_only_metrics_and_alerts_that_there_are():
    for path in (ALERTS / "runbooks").glob("*.md"):
        text = path.read_text()
        ours = set(re.findall(r"\bedgevitals_\w+[a-z0-9]\b", text))
        assert ours <= METRICS.keys(), path.name
        assert set(re.findall(r"\bedgevitals:[\w:]+", text)) <= RECORDS.keys(), path.name
        assert set(re.findall(r"\bEV[A-Z][A-Za-z]+", text)) <= set(NAMES), path.name


def test_no_runbook_is_left_over():
    assert sorted(path.stem for path in (ALERTS / "runbooks").glob("*.md")) == NAMES


@EACH_NAME
def test_an_alert_has_cases_that_fire_that_are_quiet_and_that_resolve(name):
    histories = [[bool(case["exp_alerts"]) for case in cases] for cases in CASES[name]]
    if name in ALWAYS:
        assert any(histories)
        assert all(all(history) for history in histories)
        return
    assert any(_has(history, [False, True, False]) for history in histories)
    assert any(history and not any(history) for history in histories)


@EACH_ALERT
def test_an_alert_is_seen_with_each_of_its_severities(rule):
    seen = {
        told["exp_labels"]["severity"]
        for cases in CASES[rule["alert"]]
        for case in cases
        for told in case["exp_alerts"]
    }
    assert rule["labels"]["severity"] in seen


@EACH_ALERT
def test_an_alert_reads_only_what_the_catalogue_has(rule):
    names = {name for one in _expressions(rule) for name in _metric_names(one)} - RECORDS.keys()
    assert names
    assert names <= METRICS.keys()


def test_what_is_catalogued_for_the_alerts_is_read_by_one():
    read = {
        name for rule in ALERT_RULES for one in _expressions(rule) for name in _metric_names(one)
    }
    assert {metric.name for metric in READ_BY_ALERTS} <= read


@EACH_NAME
def test_the_numbers_in_a_rule_are_the_limits_of_the_catalogue(name):
    numbers = {
        number
        for rule in ALERT_RULES
        if rule["alert"] == name
        for one in (rule["expr"], *_recorded_for(name))
        for number in _numbers(one)
    }
    limits = {limit.value for limit in LIMITS.values() if limit.alert == name}
    assert numbers - TRIVIAL == limits - TRIVIAL
    assert limits <= numbers


def test_no_limit_is_left_over():
    assert {limit.alert for limit in LIMITS.values()} <= set(NAMES)


def test_the_silence_that_is_told_is_limit_and_wait_together():
    (rule,) = (rule for rule in RULES if rule.get("alert") == "EVSiteSilent")
    assert rule["for"] == "5m"
    assert LIMITS["site_silent"].value + 5 * 60 == 30 * 60
    text = (ALERTS / "runbooks" / "EVSiteSilent.md").read_text()
    assert "30 minutes of silence" in text
    assert f"{LIMITS['site_forgotten'].value / 86400:.0f} days" in text


def _recorded_for(name):
    """What is recorded for this alert: in the rules between the alert before it and itself."""
    for path in RULE_FILES:
        recorded: list[str] = []
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                if rule.get("alert") == name:
                    return recorded
                recorded = [*recorded, rule["expr"]] if "record" in rule else []
    return []


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
    groupings = r"\b(by|without|on|group_left|group_right)\s*\([^)]*\)"
    for pattern in (r'"[^"]*"', r"\{[^}]*\}", r"\[[^\]]*\]", groupings, r"\boffset \w+"):
        expression = re.sub(pattern, " ", expression)
    return expression


def _metric_names(expression):
    words = re.findall(r"[A-Za-z_:][\w:]*(?!\w)(?!\s*\()", _bare(expression))
    return set(words) - {"and", "or", "unless", "bool", "by", "without", "on"}


def _numbers(expression):
    return {float(n) for n in re.findall(r"(?<![\w.:])\d+(?:\.\d+)?(?![\w.:])", _bare(expression))}


def _has(history, wanted):
    """Whether `wanted` is in `history`, in its order, with others between."""
    rest = iter(history)
    return all(one in rest for one in wanted)
