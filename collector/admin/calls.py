"""One AdminClient and what its calls have in common: their time, their results, their failures."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented, not in __all__
    AdminClient,
    ClusterMetadata,
    OffsetSpec,
)

from collector.admin.wire import Answer, Broker, Cluster, Failure, Properties

LONGEST_CALL = 3.0
"""Seconds. With a broker dead, one call takes all it is given; a live one answers in 0.1 s."""
SLACK = 0.3
"""Seconds between librdkafka's own time-out of a call and ours."""
FIRST_TRY = 0.5
"""Seconds for offsets that may be asked for twice; those of 1,000 partitions take 0.05."""

T = TypeVar("T")
Place = tuple[str, int]
"""Topic and partition."""
Question = tuple[str, Mapping[Place, OffsetSpec]]
"""What failures call it, and which offset of each partition."""


class OutOfTime(Exception):  # noqa: N818 - it is what happened
    """The caller's deadline is over; what was told so far stands."""


class Calls:
    """One AdminClient, for one request. `tell` is called with each part of the answer."""

    def __init__(self, properties: Properties, ends: float, tell: Callable[[Answer], None]) -> None:
        self._ends = ends
        self.tell = tell
        self._failures: dict[tuple[str, str], Failure] = {}
        self._complaints: dict[str, str] = {}
        self._may_ask_twice = True
        configuration: dict[str, Any] = {
            "client.id": "edgevitals",
            "enable.metrics.push": False,  # a subscription a client, for clients of 0.1 s
            # librdkafka waits for this before its first connection too, and doesn't grow it while
            # all brokers are away: 250 costs a read 0.1 s, 20 an outage 0.14 s of CPU a read.
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 2000,
            **properties,
            # What librdkafka logs comes back as errors; its log is 20 lines a second while a
            # broker is away.
            "log_level": 0,
            # Not a method: the client would hold this object, and this object the client.
            "error_cb": _note_in(self._complaints),
        }
        self.client = AdminClient(configuration)

    def drop(self) -> None:
        """Drop the client, also when the traceback of a failed call still holds this object."""
        del self.client

    def list_topics(self, call: str) -> ClusterMetadata | None:
        """Tell of the cluster and return its metadata; None when it can't be had."""
        try:
            metadata = self._metadata()
        except KafkaException as error:
            self.failed(call, *named(error.args[0]), explain=True)
            self.tell_failures()
            return None
        brokers = [Broker(b.id, str(b.host), b.port) for b in metadata.brokers.values()]
        self.tell(Cluster(str(metadata.cluster_id), sorted(brokers, key=lambda b: b.id)))
        return metadata

    def _metadata(self) -> ClusterMetadata:
        """Ask any broker, and if that gives nothing in a third of the time, once more.

        librdkafka stays with the broker that it has chosen: with one that dies with the question it
        waits for it to come back, until the time is over. Raises KafkaException.
        """
        until = time.monotonic() + (share := self.share())
        try:
            # With a topic named, librdkafka would ask for it by name and the broker might make it.
            return self.client.list_topics(timeout=share / 3)
        except KafkaException as error:
            if named(error.args[0])[0] not in ("_TRANSPORT", "_TIMED_OUT"):
                raise
        return self.client.list_topics(timeout=max(0.05, until - time.monotonic()))

    def take_offsets(
        self, *questions: Question, longest: float = LONGEST_CALL
    ) -> list[dict[Place, int]]:
        """Ask all questions at once; of each return the offsets, -1 for one that there is not.

        Some call in a hundred of librdkafka 2.16 never learns the leaders ("Failed to query
        partition leaders") and takes all the time that it is given; the same once more does. So
        there is a short try first. Where the second one is late too, it is for a broker that is
        away: then this request has single tries from there on, and lost FIRST_TRY by it.
        """
        found: list[dict[Place, int]] = [{} for _ in questions]
        asked = [wanted for _, wanted in questions]
        for is_last in (False, True) if self._may_ask_twice else (True,):
            seconds = min(longest, self.share(), LONGEST_CALL if is_last else FIRST_TRY)
            late = self._ask_offsets(questions, asked, found, seconds, is_last=is_last)
            if is_last and any(late):
                self._may_ask_twice = False
            if not any(late):
                break
            asked = [
                {place: wanted[place] for place in places}
                for wanted, places in zip(asked, late, strict=True)
            ]
        return found

    def _ask_offsets(
        self,
        questions: Sequence[Question],
        asked: Sequence[Mapping[Place, OffsetSpec]],
        found: Sequence[dict[Place, int]],
        seconds: float,
        *,
        is_last: bool,
    ) -> list[list[Place]]:
        """Add to `found`; return the places of each question that had no answer in time."""
        started = [
            self.client.list_offsets(
                {TopicPartition(*place): spec for place, spec in wanted.items()},
                request_timeout=seconds,
            )
            if wanted
            else {}
            for wanted in asked
        ]
        all_late = []
        for (call, _), futures, offsets in zip(questions, started, found, strict=True):
            late: list[TopicPartition] = []
            results = self.results(call, futures, late=late, is_asked_again=not is_last)
            offsets |= {place_of(tp): one.offset for tp, one in results.items()}
            all_late.append(list(map(place_of, late)))
        return all_late

    def share(self) -> float:
        """Return the seconds the next call may take.

        Half of what is left: one call that hangs leaves room for the others. Raises OutOfTime.
        """
        left = self._ends - time.monotonic()
        if left <= 0:
            raise OutOfTime
        return max(0.05, min(LONGEST_CALL, left / 2))

    def results(
        self,
        call: str,
        futures: dict[T, Future[Any]],
        *,
        explain: bool = False,
        late: list[T] | None = None,
        is_asked_again: bool = False,
    ) -> dict[T, Any]:
        """Wait for all futures of one call and return those that succeeded.

        Failures are noted, but for time-outs of what `is_asked_again`; `late` gets what these are.
        """
        results = {}
        late = [] if late is None else late
        until = min(time.monotonic() + LONGEST_CALL + SLACK, self._ends)
        for about, future in futures.items():
            name = (
                f"{about.topic}/{about.partition}" if isinstance(about, TopicPartition) else about
            )
            try:
                results[about] = future.result(timeout=max(0.0, until - time.monotonic()))
            except KafkaException as error:
                code, text = named(error.args[0])
            except TimeoutError:
                code, text = "_TIMED_OUT", "no answer in time"
            else:
                continue
            if code == "_TIMED_OUT":
                late.append(about)
                if is_asked_again:
                    continue
            self.failed(call, code, text, str(name), explain=explain)
        return results

    def failed(
        self, call: str, code: str, text: str, about: str = "", *, explain: bool = False
    ) -> None:
        """Note one failure; a thousand partitions that fail alike are one with a count.

        `explain` takes the client's own complaint in place of a bare "timed out": that a
        connection is refused, a name unknown or a password wrong is told nowhere else.
        """
        if explain and code in ("_TRANSPORT", "_TIMED_OUT"):
            self.client.poll(0)  # complaints are only handed out here
            code, text = next(iter(self._complaints.items()), (code, text))
        known = self._failures.get((call, code))
        if known is None:
            self._failures[call, code] = Failure(call, code, text, about)
        else:
            known.count += 1

    def tell_failures(self) -> None:
        """Tell the failures that were noted since the last time."""
        for failure in self._failures.values():
            self.tell(failure)
        self._failures.clear()


def _note_in(complaints: dict[str, str]) -> Callable[[KafkaError], None]:
    def note(error: KafkaError) -> None:
        code, text = named(error)
        if code != "_ALL_BROKERS_DOWN":  # it is never the cause
            complaints.setdefault(code, re.sub(r" \(after \d+ms in state \w+\)", "", text))

    return note


def named(error: KafkaError) -> tuple[str, str]:
    """Return the name of the error, and what it says."""
    return error.name(), error.str()


def place_of(tp: TopicPartition) -> Place:
    """Return topic and partition."""
    return tp.topic, tp.partition


def batches(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """Cut into lists of at most `size`."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
