"""What is refused is found, and nothing else is set aside: a receiver that refuses some cells."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceResponse,
)

from collector.errors import Rejected, Retry
from collector.flow.mark import GapReason
from collector.flow.pump import Batch, Part, PartlyRejected
from collector.frames.columns import NO_SAMPLE, bits_of
from collector.frames.dictionary import Dictionary
from collector.frames.frame import Instant
from collector.horizon import Horizon
from collector.sinks import delivery
from collector.sinks.delivery import Delivery
from collector.sinks.dialect import Dialect, Packing
from collector.sinks.otlp import Otlp
from collector.sinks.pace import Pace
from collector.sinks.post import Post
from collector.sinks.receiver import CANARY
from collector.sinks.remote_write_1 import RemoteWrite1
from collector.sinks.remote_write_2 import RemoteWrite2
from collector.sinks.reply import Reply
from tests.unit.sinks.batches import LINEAGE, NOW_MS, batch, rounds, times, words
from tests.unit.sinks.requests import samples_of

Cell = tuple[str, int]
PLAIN = Packing("snappy", bytes)


class Centre(Post):
    """A receiver without a wire: refuses the requests that hold bad cells, with `status`.

    One of 1.0 takes nothing of such a request; one of 2.0 keeps what is good, and says how much.
    """

    def __init__(self, bad: Iterable[Cell] = (), status: int = 400, *, keeps: bool = False) -> None:
        super().__init__("http://centre/", {})
        self.bad = set(bad)
        self.status = status
        self.keeps = keeps
        self.is_down = False
        self.reply: Reply | None = None
        self.requests = 0
        self.canaries = 0
        self.stored: dict[str, list[tuple[int, float]]] = {}

    def send(self, body, more=()) -> Reply:
        if self.is_down:
            return Reply(self.status, {}, b"down")
        found = samples_of(bytes(body), dict(more))
        if set(found) == {CANARY.name}:
            self.canaries += 1
            return self._taken(found)
        if not found:
            return Reply(204, {}, b"")  # metadata
        self.requests += 1
        if self.reply:
            return self.reply
        refused = {(name, ms) for name, points in found.items() for ms, _ in points} & self.bad
        if not refused:
            return self._taken(found)
        if not self.keeps:
            return Reply(self.status, {}, b"bad cells")
        good = {
            name: [(ms, value) for ms, value in points if (name, ms) not in self.bad]
            for name, points in found.items()
        }
        return self._taken(good)._replace(status=self.status)

    def _taken(self, found) -> Reply:
        for name, points in found.items():
            self.stored.setdefault(name, []).extend(points)
        written = sum(map(len, found.values()))
        return Reply(204, {"x-prometheus-remote-write-samples-written": str(written)}, b"")


def sink(
    centre: Centre,
    dialect: Dialect | None = None,
    *,
    window_s: float = math.inf,
    pace: Pace | None = None,
) -> Delivery:
    return Delivery(
        "centre",
        centre,
        [dialect or RemoteWrite1(PLAIN)],
        window_s,
        pace=pace or Pace(80_000),
        horizon=Horizon(lambda: Instant(NOW_MS, 0)),
    )


def grid(series: int, count: int) -> tuple[Dictionary, Batch]:
    of = words(*(f"s{i:04}" for i in range(series)))
    return of, batch(
        of, rounds(of, 1, [[t * 1000 + i for i in range(series)] for t in range(count)])
    )


def cells_of(parts: Sequence[Part]) -> list[Cell]:
    found = []
    for (of, frames, *_), _ in parts:
        for one in frames:
            for at, values in zip(one.at, one.rows(of), strict=True):
                for series, bits in zip(of.series, bits_of(values), strict=True):
                    if bits != NO_SAMPLE:
                        found.append((series.name, at.wall_ms or 0))
    return found


def delivered(of: Delivery, what: Batch) -> list[Part]:
    try:
        assert of.send(what) == []
    except PartlyRejected as why:
        return list(why.parts)
    except Rejected as why:
        return [Part(what, why)]
    return []


def everything(of: Dictionary, count: int) -> set[Cell]:
    return {(series.name, ms) for series in of.series for ms in times(1, count)}


def must_balance(centre: Centre, of: Dictionary, count: int, parts: Sequence[Part]) -> None:
    """Stored once or again, in order, and set aside: all of it, and each cell in one of them."""
    aside = cells_of(parts)
    assert max(Counter(aside).values(), default=1) == 1
    stored = {(name, ms) for name, points in centre.stored.items() for ms, _ in points}
    assert stored | set(aside) == everything(of, count)
    assert not stored & set(aside)
    for points in centre.stored.values():
        assert centre.keeps or points == sorted(set(points)), "in order, and once"


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_f23_the_bad_cells_alone_are_set_aside_whatever_they_are(data):
    series = data.draw(st.integers(1, 40), "series")
    count = data.draw(st.integers(1, 12), "rounds")
    of, what = grid(series, count)
    names = st.sampled_from([one.name for one in of.series])
    bad = data.draw(
        st.one_of(
            st.sets(st.tuples(names, st.sampled_from(times(1, count))), max_size=6),
            st.sets(names, max_size=3).map(
                lambda bad: {(s, ms) for s in bad for ms in times(1, count)}
            ),
        )
    )
    keeps = data.draw(st.booleans(), "2.0")
    centre = Centre(bad, data.draw(st.sampled_from([400, 409, 422])), keeps=keeps)
    dialect = RemoteWrite2(PLAIN) if keeps else None
    most = data.draw(st.sampled_from([10, 100, 80_000]), "most")
    parts = delivered(sink(centre, dialect, pace=Pace(most, most)), what)
    assert set(cells_of(parts)) == bad
    must_balance(centre, of, count, parts)


@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.parametrize("place", [0, 1, 777, 1998, 1999])
def test_f23_one_bad_series_among_2000_costs_about_two_requests_a_halving(place, keeps):
    of, what = grid(2000, 1)
    bad = {(of.series[place].name, NOW_MS)}
    centre = Centre(bad, keeps=keeps)
    parts = delivered(sink(centre, RemoteWrite2(PLAIN) if keeps else None), what)
    assert set(cells_of(parts)) == bad
    assert [len(part.batch.dictionary.series) for part in parts] == [1]
    assert centre.requests - 1 <= 2 * math.log2(2000)
    must_balance(centre, of, 1, parts)


def test_f23_a_series_that_is_bad_in_all_rounds_is_looked_for_once():
    of, what = grid(2000, 20)
    bad = {("s0777", ms) for ms in times(1, 20)}
    centre = Centre(bad)
    parts = delivered(sink(centre), what)
    assert set(cells_of(parts)) == bad
    assert centre.requests <= 2 * math.log2(2000 * 20) + 2 * 20
    must_balance(centre, of, 20, parts)


def test_rounds_that_are_bad_as_a_whole_are_not_taken_apart_series_by_series():
    of, what = grid(1000, 20)
    bad = {(one.name, ms) for one in of.series for ms in times(1, 5)}
    centre = Centre(bad)
    parts = delivered(sink(centre), what)
    assert set(cells_of(parts)) == bad
    assert centre.requests < 100
    must_balance(centre, of, 20, parts)


def test_the_search_has_a_bound_and_what_is_good_by_then_is_delivered():
    of, what = grid(4000, 1)
    bad = {(one.name, NOW_MS) for one in of.series[::3]}
    centre = Centre(bad)
    parts = delivered(sink(centre), what)
    assert set(cells_of(parts)) >= bad
    assert centre.requests < 1000
    must_balance(centre, of, 1, parts)


def test_a_batch_that_is_refused_whole_is_one_refusal():
    of, what = grid(1, 1)
    one = sink(Centre(everything(of, 1)))
    with pytest.raises(Rejected) as caught:
        one.send(what)
    assert not isinstance(caught.value, PartlyRejected)
    assert caught.value.reason == "http_400"


def test_f24_a_batch_that_gets_only_5xx_while_another_sample_is_taken_is_searched():
    of, what = grid(50, 4)
    bad = {("s0007", times(3, 3)[0])}
    centre = Centre(bad, 500)
    one = sink(centre)
    for _ in range(delivery.POISON_AFTER):
        with pytest.raises(Retry):
            one.send(what)
    assert centre.canaries == 1
    [part] = delivered(one, what)
    assert set(cells_of([part])) == bad
    assert part.why.reason == "http_500"
    assert set(centre.stored.pop(CANARY.name)) == {(NOW_MS, 1.0)}
    must_balance(centre, of, 4, [part])


def test_f24_otlp_holds_after_a_500_and_looks_for_what_is_bad_the_tenth_time():
    of, what = grid(50, 4)
    bad = {("s0007", times(3, 3)[0])}
    centre = Centre(bad, 500)
    one = sink(centre, Otlp(PLAIN))
    for _ in range(delivery.POISON_AFTER):
        with pytest.raises(Retry) as caught:
            one.send(what)
        assert caught.value.hold
    parts = delivered(one, what)
    assert set(cells_of(parts)) == bad
    del centre.stored[CANARY.name]
    must_balance(centre, of, 4, parts)


def test_what_otlp_says_it_refuses_of_a_request_is_set_aside_with_it_and_not_sent_again():
    _, what = grid(3, 2)
    centre = Centre()
    partial = ExportMetricsPartialSuccess(rejected_data_points=2, error_message="too many")
    body = ExportMetricsServiceResponse(partial_success=partial).SerializeToString()
    centre.reply = Reply(200, {"content-type": "application/x-protobuf"}, body)
    one = sink(centre, Otlp(PLAIN))
    [part] = delivered(one, what)
    assert part.why.reason == "partial_success"
    assert "2 of its samples" in part.why.message
    assert centre.requests == 1
    assert one.stats.samples_delivered == 4
    assert one.stats.rejected == {"partial_success": 2}


def test_f24_a_receiver_that_fails_on_everything_is_not_taken_for_a_poisoned_batch():
    _, what = grid(5, 2)
    centre = Centre(status=503)
    centre.is_down = True
    one = sink(centre)
    for _ in range(3 * delivery.POISON_AFTER):
        with pytest.raises(Retry):
            one.send(what)
    centre.is_down = False
    assert delivered(one, what) == []


def test_f24_a_receiver_that_goes_down_in_the_middle_of_the_search_is_waited_for():
    _, what = grid(64, 1)
    bad = {("s0040", NOW_MS)}
    centre = Centre(bad, 500)
    one = sink(centre)
    for _ in range(delivery.POISON_AFTER):
        with pytest.raises(Retry):
            one.send(what)
    request = centre.send

    def breaks(*args, **options) -> Reply:
        centre.is_down = centre.requests == 14
        return request(*args, **options)

    centre.send = breaks  # type: ignore[method-assign]
    with pytest.raises(Retry):
        one.send(what)
    centre.is_down, centre.send = False, request  # type: ignore[method-assign]
    with pytest.raises(Retry):
        one.send(what)  # it may have come back just now: the next try counts
    parts = delivered(one, what)
    assert set(cells_of(parts)) == bad


def test_rounds_older_than_the_window_are_not_sent_and_come_back_as_gaps():
    day_s = 86_400.0
    of = words("a", "b")
    old = [NOW_MS - int(3 * day_s * 1000) + i for i in (0, 1000)]
    edge = [NOW_MS - int(2 * day_s * 1000), NOW_MS - 5]
    centre = Centre()
    one = sink(centre, window_s=2 * day_s)
    withheld = one.send(batch(of, rounds(of, 7, [[1, 2]] * 4, at_ms=[*old, *edge])))
    assert [(line, gap[:2], gap.reason) for line, gap in withheld] == [
        (LINEAGE.line, (7, 8), GapReason.OUT_OF_WINDOW)
    ]
    assert [ms for ms, _ in centre.stored["a"]] == edge
    assert one.stats.withheld_rounds == 2
    assert one.send(batch(of, rounds(of, 11, [[1, 2]], at_ms=[NOW_MS]))) == []


def test_a_window_shorter_than_an_hour_is_an_hour_for_what_comes_in_order():
    of = words("a")
    at = [NOW_MS - 3_600_001, NOW_MS - 3_599_000]
    withheld = sink(Centre(), window_s=0.0).send(batch(of, rounds(of, 1, [[1], [2]], at_ms=at)))
    assert [gap[:2] for _, gap in withheld] == [(1, 1)]


def test_a_round_far_in_the_future_is_set_aside_and_one_that_is_near_is_waited_for():
    of = words("a")
    near, far = NOW_MS + 360_000, NOW_MS + 86_400_000
    centre = Centre()
    with pytest.raises(Retry) as caught:
        sink(centre).send(batch(of, rounds(of, 1, [[1], [2]], at_ms=[NOW_MS, near])))
    assert caught.value.after == 60.0
    parts = delivered(sink(centre), batch(of, rounds(of, 1, [[1], [2]], at_ms=[NOW_MS, far])))
    assert [part.why.reason for part in parts] == ["future"]
    assert centre.stored["a"] == [(NOW_MS, 1.0)] * 2


def test_a_series_that_is_always_refused_costs_a_request_a_batch_and_comes_back_when_it_is_not():
    of = words(*(f"s{i:04}" for i in range(1000)))
    centre = Centre({("s0500", ms) for ms in times(1, 12)} | {("s0700", times(1, 1)[0])})
    one = sink(centre)
    spent = []
    for first in range(1, 21, 4):
        before = centre.requests
        what = batch(of, rounds(of, first, [range(1000)] * 4))
        parts = delivered(one, what)
        wanted = {cell for cell in centre.bad if cell[1] in times(first, first + 3)}
        assert set(cells_of(parts)) == wanted
        spent.append(centre.requests - before)
    assert spent[0] > 20
    assert spent[2] == 2, "the batch without it, and it alone"
    assert spent[3:] == [2, 1], "forgiven once it is taken"
    points = {name: [ms for ms, _ in found] for name, found in centre.stored.items()}
    assert points["s0500"] == times(13, 20)
    assert points["s0700"] == times(2, 20)
    assert points["s0001"] == times(1, 20)
