"""What a server is told to leave out: only what no file of the list reads."""

from __future__ import annotations

import pytest

from collector.names.object_names import ObjectNamePattern
from collector.names.rules import PROFILES, Rules, load_rules
from tests.unit.names.inventory import kafka, mirrormaker, rule_set

LOGS, PARTITIONS = "kafka.log:type=Log,*", "kafka.cluster:type=Partition,*"
WITHOUT_BOTH = f"""
includeObjectNames: ["kafka*:*"]
excludeObjectNames: ["{LOGS}", "{PARTITIONS}"]
"""


def rules(*texts: str) -> Rules:
    return Rules(tuple(map(rule_set, texts)))


def test_what_a_file_excludes_is_left_out_of_the_patterns_that_may_match_it():
    found = rules(WITHOUT_BOTH, 'includeObjectNames: ["java.lang:type=Memory"]')
    assert found.leaves_out("kafka*:*") == [LOGS, PARTITIONS]
    assert found.leaves_out("java.lang:type=Memory") == []


@pytest.mark.parametrize(
    "other,left_out",
    [
        (f'excludeObjectNames: ["{LOGS}"]', [LOGS]),
        (f'includeObjectNames: ["{LOGS}"]', [PARTITIONS]),
        ('includeObjectNames: ["kafka.log:type=Log,name=Size,*"]', [PARTITIONS]),
        ('includeObjectNames: ["*:type=Partition,*"]', []),
        ("{}", []),
        # It is about JVMs only where the file names no beans.
        ("excludeJvmMetrics: true", []),
    ],
)
def test_what_another_file_reads_is_sent(other, left_out):
    assert rules(WITHOUT_BOTH, other).leaves_out("kafka*:*") == left_out


@pytest.mark.parametrize("names", [*([one] for one in PROFILES), ["cfk", "default"]])
def test_what_a_profile_leaves_out_of_a_broker_is_what_it_excludes(names):
    found = load_rules(names)
    texts = dict.fromkeys(text for one in found.patterns for text in found.leaves_out(one))
    patterns = [ObjectNamePattern(text) for text in texts]
    for known in (each.bean for each in (*kafka(), *mirrormaker())):
        is_sent = not any(one.matches(known.domain, known.properties) for one in patterns)
        is_read = any(one.covers(known.domain, known.properties) for one in found.sets)
        assert is_sent or not is_read
        if names != ["cfk", "default"] and known.domain.startswith("kafka"):
            assert is_sent is is_read
