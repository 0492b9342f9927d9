"""Names and labels of OpenTelemetry as Prometheus has them."""

from __future__ import annotations

import pytest

from collector.sources.otlp.names import job_and_instance, labels, metric_name, number_label
from collector.sources.otlp.points import Metric, What


@pytest.mark.parametrize(
    "name,unit,what,expected",
    [
        ("http.server.duration", "ms", "histogram", "http_server_duration_milliseconds"),
        ("http.requests", "{request}", "sum", "http_requests_total"),
        ("edgevitals_rounds_total", "", "sum", "edgevitals_rounds_total"),
        ("total.sent", "By", "sum", "sent_bytes_total"),
        ("system.cpu.utilization", "1", "gauge", "system_cpu_utilization_ratio"),
        ("disk.io", "By/s", "gauge", "disk_io_bytes_per_second"),
        ("packets", "{packet}/s", "gauge", "packets_per_second"),
        ("time_seconds", "s", "gauge", "time_seconds"),
        ("2xx", "", "gauge", "_2xx"),
        ("a--b..c", "", "gauge", "a_b_c"),
        ("...", "s", "gauge", ""),
    ],
)
def test_a_metric_has_its_unit_and_kind_in_its_name(name: str, unit: str, what: What, expected):
    metric = Metric(name, unit, "", what, 2, what == "sum", ())
    assert metric_name(metric) == expected


def test_attributes_become_labels_and_those_that_clash_are_joined():
    pairs = [("http.route", "/"), ("2nd", "x"), ("__name__", "y"), ("a.b", "1"), ("a_b", "2")]
    assert labels(pairs) == {
        "http_route": "/",
        "key_2nd": "x",
        "key__name__": "y",
        "a_b": "1;2",
    }


def test_job_and_instance_are_the_resources():
    resource = (
        ("service.name", "pay"),
        ("service.namespace", "shop"),
        ("service.instance.id", "7"),
    )
    assert job_and_instance(resource) == ("shop/pay", "7")
    assert job_and_instance((("host.name", "h"),)) == ("", "")


@pytest.mark.parametrize(
    "number,text", [(0.005, "0.005"), (10.0, "10"), (1e21, "1" + "0" * 21), (2.5e-7, "0.00000025")]
)
def test_a_bound_is_written_without_an_exponent(number, text):
    assert number_label(number) == text
