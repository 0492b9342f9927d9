import json

import msgspec
import pytest

from collector.status.exposition import CONTENT_TYPE
from collector.status.model import Status
from collector.status.pages import Pages
from tests.unit.status.view import STATUS, FixedView


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def test_metrics_is_the_exposition():
    answer = Pages(FixedView()).answer("/metrics")
    assert (answer.code, answer.content_type) == (200, CONTENT_TYPE)
    assert b'up{job="kafka",site="store-0412"} 0\n' in answer.body


def test_status_is_json_that_decodes_to_what_the_view_said():
    answer = Pages(FixedView()).answer("/status.json")
    assert (answer.code, answer.content_type) == (200, "application/json")
    assert msgspec.json.decode(answer.body, type=Status) == STATUS


def test_the_index_names_the_program_the_problems_and_every_path():
    body = Pages(FixedView()).answer("/").body.decode()
    assert body.startswith("EdgeVitals 0.1.0, site store-0412, node n1\nProblem: The sink centre")
    for path in ("/metrics", "/status.json", "/healthz", "/readyz"):
        assert path in body


@pytest.mark.parametrize("path", ["/nothing", "", "/metrics/", "/../etc/passwd", "//"])
def test_another_path_is_404_and_says_what_there_is(path):
    answer = Pages(FixedView()).answer(path)
    assert answer.code == 404
    assert b"/metrics" in answer.body


@pytest.mark.parametrize("age, code", [(0.0, 200), (59.9, 200), (60.0, 503), (3600.0, 503)])
def test_health_is_the_age_of_the_last_round(age, code):
    answer = Pages(FixedView(age=age)).answer("/healthz")
    assert answer.code == code
    assert f"{age:.0f} s" in answer.body.decode()


def test_health_allows_three_intervals_where_they_are_long():
    class Slow(FixedView):
        def status(self):
            return msgspec.structs.replace(STATUS, interval_seconds=300.0)

    assert Pages(Slow(age=899.0)).answer("/healthz").code == 200
    assert Pages(Slow(age=900.0)).answer("/healthz").code == 503


def test_health_gives_the_first_round_the_same_time_by_the_monotonic_clock():
    clock = Clock()
    pages = Pages(FixedView(age=None), clock)
    assert pages.answer("/healthz").code == 200
    clock.now += 59.0
    assert pages.answer("/healthz").code == 200
    clock.now += 1.0
    assert pages.answer("/healthz").code == 503


def test_ready_begins_with_the_first_round_and_does_not_end_with_a_late_one():
    view = FixedView(age=None)
    pages = Pages(view)
    assert pages.answer("/readyz").code == 503
    view.age = 0.1
    assert pages.answer("/readyz").code == 200
    view.age = 3600.0
    assert pages.answer("/readyz").code == 200


def test_status_json_has_the_documented_keys():
    document = json.loads(Pages(FixedView()).answer("/status.json").body)
    assert list(document) == [
        "version",
        "site",
        "node",
        "started_at",
        "now",
        "interval_seconds",
        "problems",
        "targets",
        "spool",
        "streams",
        "pumps",
        "missed",
        "gaps",
    ]
    assert list(document["targets"][0]) == [
        "job",
        "instance",
        "up",
        "duration_seconds",
        "samples",
        "error",
        "age_seconds",
    ]
    assert list(document["spool"]) == [
        "path",
        "bytes",
        "max_bytes",
        "rounds",
        "oldest_at",
        "writable",
        "error",
        "degraded",
        "rounds_in_memory",
    ]
    assert list(document["streams"][0]) == ["tier", "epoch", "last_seq", "last_at"]
    assert list(document["pumps"][0]) == [
        "name",
        "from",
        "to",
        "state",
        "backlog_rounds",
        "oldest_at",
        "last_error",
        "retries",
        "delivered_rounds",
        "rejected_rounds",
        "next_try_seconds",
        "eta_seconds",
    ]


def test_a_newer_server_is_read_by_an_older_client():
    document = json.loads(msgspec.json.encode(STATUS))
    document["something_new"] = {"a": 1}
    document["pumps"][0]["something_new"] = True
    assert msgspec.json.decode(json.dumps(document), type=Status) == STATUS


def test_a_process_without_a_spool_has_none():
    bare = msgspec.structs.replace(STATUS, spool=None, pumps=[], streams=[])
    assert json.loads(msgspec.json.encode(bare))["spool"] is None
