"""Rounds as traces, by OpenTelemetry's SDK. Imported only when somebody asked: `tracing.py`.

    round                         from its tick until it was on disk
    |-- scrape kafka              a target each
    |-- publish                   a pump each: from its first try until the far side had the round
    |   `-- send                  the try that succeeded
    `-- forward-centre
        `-- send

The ids of a round's trace and of its first span are made of its stream, line and seq. So a delivery
finds its trace with nothing kept for it: hours later, after a restart, or at the centre.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator, Sequence
from threading import Thread, local

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from collector import __version__
from collector.errors import Retry
from collector.flow.pump import Batch
from collector.frames.dictionary import Stream
from collector.rounds.recorder import Recorded
from collector.target import Target
from collector.telemetry import Telemetry, Throttle, Watch

CLOSE_S = 0.5
_MS = 1_000_000

log = logging.getLogger(__name__)

# The SDK writes a line for each request that fails: weeks of them at a site whose link is down.
# We count instead, and write one a minute.
_SDK = logging.getLogger("opentelemetry")


class Spans:
    """The traces of this process: spans are sent in the background, and dropped when that fails."""

    def __init__(self, telemetry: Telemetry) -> None:
        _SDK.setLevel(logging.CRITICAL)
        self._ids = _Ids()
        resource = Resource.create({SERVICE_VERSION: __version__})
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: "edgevitals"}))
        self._provider = TracerProvider(
            resource=resource, id_generator=self._ids, shutdown_on_exit=False
        )
        exporter = _Counted(OTLPSpanExporter(), telemetry)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("edgevitals", __version__)

    def taken(self, recorded: Recorded, seconds: float, targets: Sequence[Target]) -> None:
        """Trace a round and its targets. One without a wall time yet has no trace."""
        if recorded.at.wall_ms is None:
            return
        stream, line = recorded.dictionary.stream, recorded.frame.lineage.line
        trace_id, span_id = round_ids(stream, line, recorded.seq)
        if not self._is_sampled(trace_id):
            return
        began = recorded.at.wall_ms * _MS
        self._ids.root = trace_id, span_id
        root = self._tracer.start_span(
            "round",
            start_time=began,
            attributes={
                **_of(stream),
                "edgevitals.seq": recorded.seq,
                "edgevitals.epoch": f"{recorded.frame.lineage.epoch:016x}",
            },
        )
        parent = trace.set_span_in_context(root)
        for target in targets:
            outcome = target.outcome
            if outcome is None:
                continue
            child = self._tracer.start_span(
                f"scrape {target.job}",
                parent,
                SpanKind.CLIENT,
                {
                    "edgevitals.job": target.job,
                    "edgevitals.instance": target.instance,
                    "edgevitals.samples": outcome.samples,
                },
                start_time=began,
            )
            if outcome.error:
                child.set_status(Status(StatusCode.ERROR, outcome.error))
            child.end(began + int(outcome.duration_s * 1e9))
        root.end(began + int(seconds * 1e9))

    def watch(self, name: str, to: str) -> Watch:
        return _Watched(self, name, to)

    def close(self) -> None:
        """Send what is left; a receiver that hangs must not hold up the end of the process."""
        leaving = Thread(target=self._provider.shutdown, name="traces", daemon=True)
        leaving.start()
        leaving.join(CLOSE_S)

    def delivered(self, batch: Batch, name: str, to: str, tries: _Tries) -> None:
        """Trace one delivery: a span for each of its rounds, in that round's trace."""
        now = time.time_ns()
        for line, seq in _rounds_of(batch):
            trace_id, span_id = round_ids(batch.dictionary.stream, line, seq)
            if not self._is_sampled(trace_id):
                continue
            context = SpanContext(trace_id, span_id, True, TraceFlags(TraceFlags.SAMPLED))
            parent = trace.set_span_in_context(trace.NonRecordingSpan(context))
            span = self._tracer.start_span(
                name,
                parent,
                attributes={
                    **_of(batch.dictionary.stream),
                    "edgevitals.seq": seq,
                    "edgevitals.destination": to,
                    "edgevitals.rounds": batch.rounds,
                    "edgevitals.retries": tries.failed,
                },
                start_time=tries.first_ns,
            )
            if tries.last_error:
                span.add_event("retry", {"edgevitals.error": tries.last_error}, tries.error_ns)
            send = self._tracer.start_span(
                "send",
                trace.set_span_in_context(span),
                SpanKind.CLIENT,
                {"edgevitals.destination": to},
                start_time=tries.last_ns,
            )
            send.end(now)
            span.end(now)

    def _is_sampled(self, trace_id: int) -> bool:
        """Ask the sampler by the trace alone: then all spans of a round are kept, or none.

        Asked span by span, a sampler that looks at parents would keep the deliveries of rounds
        whose first span it had dropped.
        """
        result = self._provider.sampler.should_sample(None, trace_id, "round")
        return bool(result.decision is Decision.RECORD_AND_SAMPLE)


def round_ids(stream: Stream, line: int, seq: int) -> tuple[int, int]:
    """The ids of a round's trace and of its first span: the same wherever they are asked for."""
    name = f"{stream.key:016x}/{line:016x}/{seq}".encode()
    digest = hashlib.sha256(name).digest()
    return int.from_bytes(digest[:16], "big") or 1, int.from_bytes(digest[16:24], "big") or 1


class _Ids(RandomIdGenerator):
    """Random ids, but for a round's first span: those are set just before it is started."""

    def __init__(self) -> None:
        self._own = local()

    @property
    def root(self) -> tuple[int, int] | None:
        return getattr(self._own, "root", None)

    @root.setter
    def root(self, ids: tuple[int, int] | None) -> None:
        self._own.root = ids

    def generate_trace_id(self) -> int:
        # Only a span without a parent asks for one, and asks for its own id right behind.
        return self.root[0] if self.root else super().generate_trace_id()

    def generate_span_id(self) -> int:
        ids, self.root = self.root, None
        return ids[1] if ids else super().generate_span_id()


class _Tries:
    """When a batch was tried, in Unix ns."""

    def __init__(self, now: int) -> None:
        self.first_ns = self.last_ns = now
        self.failed = 0
        self.last_error = ""
        self.error_ns = 0


class _Watched:
    """One pump's deliveries as spans. Belongs to the pump's thread."""

    def __init__(self, spans: Spans, name: str, to: str) -> None:
        self._spans = spans
        self._name = name
        self._to = to
        self._tries: _Tries | None = None

    def sending(self) -> None:
        now = time.time_ns()
        self._tries = self._tries or _Tries(now)
        self._tries.last_ns = now

    def retrying(self, why: Retry) -> None:
        if self._tries:
            self._tries.failed += 1
            self._tries.last_error, self._tries.error_ns = str(why), time.time_ns()

    def delivered(self, batch: Batch) -> None:
        if self._tries:
            self._spans.delivered(batch, self._name, self._to, self._tries)
        self._tries = None

    def given_up(self) -> None:
        self._tries = None


class _Counted(SpanExporter):
    """The exporter, with what it could not send counted."""

    def __init__(self, exporter: SpanExporter, telemetry: Telemetry) -> None:
        self._exporter = exporter
        self._telemetry = telemetry
        self._quiet = Throttle()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._telemetry.add("edgevitals_traces_lost_spans_total", len(spans))
            more = self._quiet.passes()
            if more is not None:
                log.warning(
                    "%d spans could not be sent: look at the OTEL_EXPORTER_OTLP_ variables, and "
                    "at the receiver of traces%s",
                    len(spans),
                    more,
                )
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _of(stream: Stream) -> dict[str, str]:
    return {
        "edgevitals.site": stream.site,
        "edgevitals.node": stream.node,
        "edgevitals.tier": stream.tier,
    }


def _rounds_of(batch: Batch) -> Iterator[tuple[int, int]]:
    """(line, seq) of each round."""
    for frame in batch.frames:
        for seq in range(frame.first_seq, frame.last_seq + 1):
            yield frame.lineage.line, seq
