"""The assignment: the partitions that the group gave us, where each is read, and which rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from collector.errors import FormatError
from collector.flow.mark import Marks, from_metadata
from collector.topic.client import TopicPlace
from collector.topic.partition import WHOLE, PartitionState

_MOST_BYTES = 16 << 20
_LEAST_SHARE_BYTES = 64 << 10
"""Of frames that are read and not yet given out: of all partitions, and of each at least."""

NewState = Callable[[TopicPlace, int, Marks, int], PartitionState]
"""A partition's state from an offset and its marks on; before the last one it is read again."""


class Assignment:
    """What we have of the partitions that are ours.

    The consumer is given with each call: another one may have joined in its place.
    """

    def __init__(self, new_state: NewState) -> None:
        self.partitions: dict[TopicPlace, PartitionState] = {}
        self.searched: set[tuple[TopicPlace, int]] = set()  # dictionaries that were looked for
        self._new_state = new_state
        self._starts: dict[TopicPlace, int] = {}  # where reading began
        self._paused: set[TopicPlace] = set()
        self._to_begin_again: set[TopicPlace] = set()

    def given(self, consumer: Consumer, committed: Iterable[TopicPartition]) -> None:
        """Read these partitions too, each from what was committed."""
        starts = []
        for place in committed:
            at = TopicPlace(place.topic, place.partition)
            try:
                marks = from_metadata(place.metadata)
            except FormatError:
                marks = Marks({})  # a hint that can't be read: some rounds are sent twice
            known = place.offset >= 0
            self.partitions[at] = (
                self._new_state(at, place.offset, marks, 0)
                if known
                else self._new_state(at, 0, marks, WHOLE)
            )
            self._search_anew(at)
            self._starts[at] = _start(place.offset, marks) if known else OFFSET_BEGINNING
            starts.append(TopicPartition(*at, self._starts[at]))
        consumer.assign(starts)
        consumer.resume(starts)  # a partition that was paused when it left us comes back so
        self._paused.clear()

    def forget(self, places: Iterable[TopicPlace]) -> None:
        """These are ours no longer."""
        for place in places:
            self.partitions.pop(place, None)
            self._to_begin_again.discard(place)

    def forget_all(self) -> None:
        """Nothing is ours: another consumer begins."""
        self.partitions.clear()
        self._paused.clear()

    def place_of(self, state: PartitionState) -> TopicPlace | None:
        """Where a state belongs; None when the partition isn't ours, or was begun anew."""
        return next((at for at, one in self.partitions.items() if one is state), None)

    def begin_again(self, place: TopicPlace) -> None:
        """The offset that is read next is not in the log."""
        self._to_begin_again.add(place)

    def is_to_be_read_again(self, place: TopicPlace, state: PartitionState) -> bool:
        return (
            state.is_in_doubt
            or place in self._to_begin_again
            or any((place, missing) not in self.searched for missing in state.missing)
        )

    def read_again(self, consumer: Consumer) -> None:
        """Read again partitions that need it, once nothing of them is out.

        Those whose offset is gone: retention was faster, or the log came back shorter. Marks tell
        what is new in both cases, and a hole shows as a gap. And those with a frame whose
        dictionary nobody has seen: look back once for a copy, then forward. Copies are equal by
        content, so the next one in the log serves as well. And those where rounds seem to be
        missing: a gap is opened only after a look back.
        """
        for place, state in list(self.partitions.items()):
            if state.has_out or not self.is_to_be_read_again(place, state):
                continue
            offset, marks = state.commit_point()
            start, looked_to = OFFSET_BEGINNING, state.looked_to
            if place in self._to_begin_again:
                self._to_begin_again.discard(place)
                offset, looked_to = 0, WHOLE
            elif state.is_in_doubt:
                offset, marks, looked_to = state.look_back()
                start = _start(offset, marks)
                self._search_anew(place)
            self.searched |= {(place, missing) for missing in state.missing}
            self.partitions[place] = self._new_state(place, offset, marks, looked_to)
            self._read_from(consumer, place, start)

    def full(self) -> set[TopicPlace]:
        """The partitions that have enough in hand; what was full is so until half of it is gone."""
        share = max(_LEAST_SHARE_BYTES, _MOST_BYTES // max(1, len(self.partitions)))
        return {
            place
            for place, state in self.partitions.items()
            if state.bytes - state.waiting_bytes > (share // 2 if place in self._paused else share)
        }

    def pause(self, consumer: Consumer, wanted: set[TopicPlace]) -> None:
        """Pause these partitions and no others."""
        if over := (self._paused - wanted) & self.partitions.keys():
            consumer.resume(_wanted(over))
        if new := wanted - self._paused:
            consumer.pause(_wanted(new))
        self._paused = wanted

    def _read_from(self, consumer: Consumer, where: TopicPlace, offset: int) -> None:
        """Read one partition again; the others go on where they are.

        Not by seek(): it refuses a partition that has stopped for want of its offset.
        """
        self._starts[where] = offset
        places = consumer.position(_wanted(self.partitions))
        for place in places:
            at = TopicPlace(place.topic, place.partition)
            if at == where or place.offset < 0:  # nothing was read of it yet
                place.offset = self._starts[at]
        consumer.assign(places)
        if self._paused:
            consumer.pause(_wanted(self._paused))

    def _search_anew(self, place: TopicPlace) -> None:
        self.searched = {one for one in self.searched if one[0] != place}


def _start(offset: int, marks: Marks) -> int:
    """Where to begin so that the dictionaries of what is read are known."""
    oldest = marks.dictionary_offset
    return offset if oldest is None else min(oldest, offset)


def _wanted(places: Iterable[TopicPlace]) -> list[TopicPartition]:
    return [TopicPartition(*place) for place in places]
