"""A site's reader: it knows how far the site's own stream has come, by whichever way.

While the broker is away our rounds go to the sink by the detour (flow/detour.py). The mark of our
stream is one: what the detour delivers is followed here, over rebalances too, and committed as
soon as there is a broker and the partition is ours. Where it is another collector's, that one
delivers our rounds: then the group's commits say how far it has come.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from confluent_kafka import KafkaException, TopicPartition

from collector.errors import FormatError
from collector.flow.mark import Known, Marks, from_metadata, mark_of, merged
from collector.topic.client import TopicPlace
from collector.topic.partition import PartitionState
from collector.topic.reader import TopicReader

LOOK_EVERY_S = 10.0
_LOOK_TIMEOUT_S = 1.0


class Ours(NamedTuple):
    """Our own stream, and where its rounds lie in the topic."""

    stream: int
    place: TopicPlace


class SiteReader(TopicReader):
    """A TopicReader that follows another way of the stream that is ours."""

    def __init__(self, ours: Ours, *reader: Any) -> None:
        super().__init__(*reader)
        self._ours = ours
        self._elsewhere: Known = ()  # delivered by the other way
        self._committed: Known = ()  # by whoever has the partition, when it isn't ours
        self._look_at = 0.0

    def fetch(self, wait: float) -> None:
        super().fetch(wait)
        if self._owned is None and time.monotonic() > self._look_at:
            self._look_at = time.monotonic() + LOOK_EVERY_S
            self._look()

    def known(self) -> Known:
        """What is delivered of our stream, as far as it is known here."""
        owned = self._owned
        return merged(self._committed, self._elsewhere) if owned is None else self._of(owned)

    def follow(self, known: Known) -> None:
        """The other way has delivered this of our stream."""
        self._elsewhere = known
        if self._owned is not None:
            self._owned.follow(self._ours.stream, known)

    def has_passed(self, known: Known) -> bool:
        """Whether the newest round of these has come by here too, or whoever delivers it had it."""
        if not known:
            return True
        if self._owned is not None:
            return self._owned.has_passed(self._ours.stream, known[-1])
        theirs = mark_of(self._committed, known[-1].line)
        return theirs is not None and theirs.seq >= known[-1].seq

    @property
    def _owned(self) -> PartitionState | None:
        return self._assigned.partitions.get(self._ours.place)

    def _of(self, state: PartitionState) -> Known:
        return state.known(self._ours.stream)

    def _state(
        self, place: TopicPlace, offset: int, marks: Marks, looked_to: int = 0
    ) -> PartitionState:
        state = super()._state(place, offset, marks, looked_to)
        if place == self._ours.place and self._elsewhere:
            self._elsewhere = merged(self._of(state), self._elsewhere)
            state.follow(self._ours.stream, self._elsewhere)
        return state

    def _look(self) -> None:
        """Ask the group how far our stream has come where somebody else delivers it."""
        place = TopicPartition(*self._ours.place)
        try:
            (found,) = self._group.consumer.committed([place], timeout=_LOOK_TIMEOUT_S)
            marks = from_metadata(found.metadata if found.error is None else None)
        except (KafkaException, FormatError):
            return  # asked again soon; what is known meanwhile is older: some rounds come twice
        self._trouble.is_over()  # no record would tell, where the partition is another one's
        self._committed = merged(self._committed, marks.of.get(self._ours.stream, ()))
