"""What Prometheus, the witness and the books say at the end, as the proof wants it."""

from __future__ import annotations

import time
from collections import defaultdict

from tests.demo import proof
from tests.demo.proof import Completeness, Epoch, Round, Sample, Verdict
from tests.demo.stage import INTERVAL, LINK, NODE, SITE, Stage
from tests.lab.prometheus import Prometheus, Track
from tests.lab.waiting import wait_for

READ_DEADLINE = min(10.0, INTERVAL / 2)  # a round closes so long after its time
OURS = f'site="{SITE}",node="{NODE}"'
MIRROR = f'{OURS},link="{LINK}"'
SEQ = f'edgevitals_round_seq{{{OURS},tier="standard"}}'


class Centre:
    """Asks the centre for raw samples, from `since` on."""

    def __init__(self, prometheus: Prometheus, since: float) -> None:
        self._prometheus = prometheus
        self._since = since

    def rounds(self) -> list[Round]:
        """Every round, oldest first; rounds of all streams where there is more than one."""
        tracks = self._samples(SEQ)
        return sorted(Round(*point) for track in tracks for point in track.points)

    def epochs(self) -> list[Epoch]:
        tracks = self._samples(f'edgevitals_epoch_info{{{OURS},tier="standard"}}')
        epochs = [
            Epoch(
                track.labels.get("epoch", ""),
                track.labels.get("previous_epoch", ""),
                [at for at, _ in track.points],
            )
            for track in tracks
        ]
        return sorted(epochs, key=lambda epoch: epoch.times[0])

    def end_offsets(self, topic: str, partitions: int) -> dict[float, float]:
        """The sum over all partitions, by the time of the round; rounds that have them all."""
        selector = f'kafka_topic_partition_current_offset{{{OURS},topic="{topic}"}}'
        offsets: dict[float, list[float]] = defaultdict(list)
        for track in self._samples(selector):
            for at, offset in track.points:
                offsets[at].append(offset)
        return {at: sum(found) for at, found in offsets.items() if len(found) == partitions}

    def completeness(self) -> Completeness:
        """What anybody can ask of any window; all 0 when there is no round."""
        functions = ("count", "min", "max")
        asked = [f"sum({name}_over_time({SEQ}[{self._window}]))" for name in functions]
        asked.append(f"sum(resets({SEQ}[{self._window}]))")
        return Completeness(*(self._number(promql) for promql in asked))

    def newest_round(self) -> int | None:
        """The highest seq that is there now."""
        return self._number(f"max(max_over_time({SEQ}[{self._window}]))") or None

    def missed(self) -> dict[str, int]:
        """What the collector itself says it has not taken, by reason."""
        counter = f"edgevitals_round_missed_total{{{OURS}}}[{self._window}]"
        found = self._prometheus.query(f"max by (reason) (max_over_time({counter}))")
        return {one.labels["reason"]: int(one.value) for one in found if one.value}

    def downs(self) -> dict[str, int]:
        """In how many rounds each target did not answer, by its job."""
        tracks = self._samples(f"up{{{OURS}}}")
        return {
            track.labels["job"]: sum(value != 1 for _, value in track.points) for track in tracks
        }

    def link_states(self) -> dict[str, list[float]]:
        """When the link by the mirror was in which state: times of rounds, by state."""
        tracks = self._samples(f"edgevitals_link_state{{{MIRROR}}}")
        return {
            track.labels["state"]: [at for at, value in track.points if value == 1]
            for track in tracks
        }

    def link_lags(self) -> list[Sample]:
        """Records that the mirror was behind, by the time of the round."""
        tracks = self._samples(f"edgevitals_link_lag_records{{{MIRROR}}}")
        return sorted(Sample(*point) for track in tracks for point in track.points)

    def is_mirrored(self) -> bool:
        """Whether the last that was heard of the link is that it is up and close behind."""
        states, lags = self.link_states(), self.link_lags()
        newest = max((at for times in states.values() for at in times), default=0.0)
        is_up = bool(states.get("connected")) and states["connected"][-1] == newest
        return is_up and bool(lags) and lags[-1].value <= proof.CLOSE_BEHIND

    def link_lost(self) -> int:
        """Records that the mirror skipped, by its offset syncs."""
        counter = f"edgevitals_link_lost_records_total{{{MIRROR}}}[{self._window}]"
        return self._number(f"sum(max_over_time({counter}))")

    def series_of_round(self, time_: float, at: float) -> int:
        """How many series with a sample of this round have not ended by `at`."""
        # timestamp() drops the names, and two series that differ by name alone would clash.
        named = f'label_replace({{{OURS}}}, "name", "$1", "__name__", "(.+)")'
        near = f">= {time_ - 0.0005!r} <= {time_ + 0.0005!r}"
        promql = f"count(timestamp({named}) {near})"
        return self._number(promql, at)

    @property
    def _window(self) -> str:
        return f"{time.time() - self._since + 60:.0f}s"

    def _samples(self, selector: str) -> list[Track]:
        return self._prometheus.samples(selector, self._window, at=time.time() + 1)

    def _number(self, promql: str, at: float | None = None) -> int:
        """The one number that a query gives, 0 for none."""
        found = self._prometheus.query(promql, at)
        return int(found[0].value) if found else 0


def judge(stage: Stage, centre: Centre, code: int | None) -> list[Verdict]:
    """All verdicts, in the order of the letters that they are shown with."""
    lives = stage.collector.lives
    rounds, epochs = centre.rounds(), centre.epochs()
    times = {at for epoch in epochs for at in epoch.times}
    topic = stage.traffic.topics[0]
    books = stage.traffic.books(topic)
    newest = max(times, default=0.0)
    wait_for(lambda: time.time() > newest + READ_DEADLINE + 1.0, what="the books' last entry")
    ending = lives[-1]
    left = centre.series_of_round(newest, at=time.time())
    ended = centre.series_of_round(newest, at=newest) - left
    return [
        proof.all_seqs(centre.completeness(), rounds, epochs, lives),
        proof.rounds_by_the_clock(times, lives, INTERVAL),
        proof.end_offsets(
            times,
            centre.end_offsets(topic, stage.traffic.partitions),
            books.end_offset_between,
            READ_DEADLINE,
        ),
        proof.order_on_the_wire(stage.witness.report()),
        proof.farewell(code, ending.gone - ending.ended, ended, left),
        proof.mirror(centre.link_states(), centre.link_lags(), stage.dark, centre.link_lost()),
    ]
