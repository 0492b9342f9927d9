"""What a forwarder says of its lanes: which streams wait, and why, while others get through."""

from __future__ import annotations

import pytest

from collector.errors import FormatError, Paced, Rejected, Retry, TooNew
from collector.flow.pump import Batch
from collector.forwarder import KeeperReport, LaneReport, Troubles
from collector.frames.dictionary import Stream
from collector.telemetry import Telemetry, joined
from tests.unit.examples import line_frame, small_dictionary

A, B = (Stream(site, "edge-1", "standard") for site in ("store-1", "store-2"))
WAITING = "edgevitals_pump_waiting_streams"


def batch(stream: Stream) -> Batch:
    of = small_dictionary(stream)
    return Batch(of, (line_frame(1, 2, id_=of.id),), None)


class Told:
    """Two lanes and their keeper, as a person sees them."""

    def __init__(self) -> None:
        self.telemetry = Telemetry()
        self.troubles = Troubles()
        names = ("forward-centre", "topic t", "https://centre", self.telemetry)
        self.keeper = KeeperReport(*names, troubles=self.troubles)
        self.lanes = [LaneReport(*names, troubles=self.troubles) for _ in range(2)]

    def whole(self, *streams: Stream) -> tuple[str, str | None]:
        self.keeper.kept({stream.key for stream in streams})
        whole = joined([self.keeper, *self.lanes])
        return whole.state, whole.last_error

    @property
    def waiting(self) -> float:
        return self.telemetry.values()[WAITING, (("pump", "forward-centre"),)]


@pytest.fixture
def told():
    return Told()


def test_a_stream_that_waits_is_named_while_its_lane_delivers_another(told, caplog):
    lane = told.lanes[0]
    lane.sending(batch(A))
    lane.retrying(Retry("429 Too Many Requests"), 1.0)
    lane.sending(batch(B))
    lane.delivered(batch(B))
    lane.idle()
    said = "store-1/edge-1/standard: 429 Too Many Requests"
    assert told.whole(A) == ("waiting", said)
    assert told.waiting == 1
    assert "forward-centre: store-1/edge-1/standard waits: 429 Too Many Requests" in caplog.text
    lane.sending(batch(A))
    lane.delivered(batch(A))
    lane.idle()
    assert told.whole() == ("idle", None)
    assert told.waiting == 0


def test_the_one_that_a_person_must_help_is_told_and_the_others_are_counted(told):
    for lane, stream, hold in zip(told.lanes, (A, B), (False, True), strict=True):
        lane.sending(batch(stream))
        lane.retrying(Retry("no", hold=hold), 1.0)
        lane.idle()
    told.keeper.kept({A.key, B.key})
    said = "store-2/edge-1/standard: no (1 more streams wait)"
    assert told.keeper.last_error == said
    assert told.waiting == 2


def test_a_stream_that_is_refused_or_taken_from_us_waits_no_longer(told):
    lane = told.lanes[0]
    for stream in (A, B):
        lane.sending(batch(stream))
        lane.retrying(Retry("503"), 1.0)
    lane.rejected(batch(B), Rejected("400", reason="http_400"))
    told.keeper.kept({A.key})
    assert told.waiting == 1
    told.keeper.kept(set())
    assert told.waiting == 0


def test_our_own_limit_is_no_trouble(told):
    told.lanes[0].sending(batch(A))
    told.lanes[0].retrying(Paced("rate_limit", after=1.0), 1.0)
    told.keeper.kept({A.key})
    assert told.waiting == 0


def test_kafkas_trouble_is_told_before_the_receivers_and_ends(told):
    told.keeper.away("reading t: no broker")
    told.lanes[0].sending(batch(A))
    told.lanes[0].retrying(Retry("503"), 1.0)
    told.keeper.kept({A.key})
    assert (told.keeper.state, told.keeper.last_error) == ("waiting", "reading t: no broker")
    told.keeper.away("")
    told.keeper.kept(set())
    assert (told.keeper.state, told.keeper.last_error) == ("idle", None)


def test_a_stream_of_a_newer_version_stays_told(told):
    told.keeper.held(TooNew("store-1 needs version 9", "upgrade the centre first"))
    for _ in range(2):
        state, error = told.whole()
        assert state == "holding"
        assert error is not None
        assert "version 9" in error


def test_what_is_passed_over_does_not_hold_anything(told):
    told.keeper.passed_over(FormatError("not ours"), "t")
    assert told.whole() == ("idle", None)
