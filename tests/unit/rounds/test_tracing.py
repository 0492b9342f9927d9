"""Whether somebody asked for traces, and the ids by which a delivery finds its round."""

from __future__ import annotations

import subprocess
import sys

import pytest

from collector.frames.dictionary import Stream
from collector.rounds.spans import round_ids
from collector.rounds.tracing import are_asked_for

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
HERE = {ENDPOINT: "http://127.0.0.1:4318"}
STREAM = Stream("store-1", "edge-1", "standard")


@pytest.mark.parametrize(
    "environment, asked",
    [
        ({}, False),
        ({ENDPOINT: ""}, False),
        (HERE, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "console,otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, False),
        ({**HERE, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({**HERE, "OTEL_SDK_DISABLED": "True"}, False),
        ({**HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
        ({**HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, False),
    ],
)
def test_the_standard_variables_decide(environment: dict[str, str], asked: bool):
    assert are_asked_for(environment) is asked


def test_a_rounds_ids_are_its_own_and_the_same_everywhere():
    ids = {round_ids(STREAM, line, seq) for line in (1, 2) for seq in (1, 2)}
    assert len(ids) == 4
    # Another version, at the centre perhaps, must find the trace that this one began.
    assert [f"{one:x}" for one in round_ids(STREAM, 1, 1)] == [
        "2a01a0757cf24133ce7b87e14dfa2a00",
        "5aa4a31cfa26c358",
    ]
    assert all(0 < trace < 1 << 128 and 0 < span < 1 << 64 for trace, span in ids)


def test_who_does_not_ask_imports_nothing_of_it():
    program = (
        "import sys; from collector import app; from collector.rounds import tracing; "
        "tracing.traces({}, None); "
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
