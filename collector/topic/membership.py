"""Our membership in a consumer group, through every consumer that we are in it.

A consumer that had a fatal error never reads again, and one that was made of a certificate that is
replaced can't connect any more: then another one joins in its place. What the group gives and takes
is handed on, with the marks that were committed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from collector.errors import ConfigError
from collector.flow.mark import Marks, to_metadata
from collector.security.credentials import renewed
from collector.topic.client import Properties, TopicPlace, consumer
from collector.topic.member import Member, reading_properties
from collector.topic.names import TopicNames
from collector.topic.notices import Trouble

_CALL_TIMEOUT_S = 5.0
_LOOK_EVERY_S = 10.0
_JOIN_AGAIN_S = 10.0
_FATAL = {KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID}  # noqa: SLF001


class Rebalance(NamedTuple):
    """Whom to call when partitions come and go, from within the consumer's own calls."""

    given: Callable[[Consumer, list[TopicPartition]], None]
    """These are ours, with what was committed. The consumer is to be assigned to them."""

    going: Callable[[list[TopicPlace], bool], None]
    """These are ours until this returns; and whether to commit what is delivered of them."""

    lost: Callable[[list[TopicPlace]], None]
    """These are another one's already."""

    left: Callable[[], None]
    """Nothing is ours: we join anew."""


class Membership:
    """The consumer that we are in the group now."""

    def __init__(
        self,
        names: TopicNames,
        kafka: Properties,
        member: Member,
        rebalance: Rebalance,
        trouble: Trouble,
    ) -> None:
        """Raises ConfigError for properties that can't be."""
        self._names = names
        self._kafka = kafka
        self._member = member
        self._rebalance = rebalance
        self._trouble = trouble
        self._subscribed = False
        self._look_at = time.monotonic() + _LOOK_EVERY_S  # at the files that it was made of
        self._is_renewing = False
        self._died_at: float | None = None  # the consumer: another one took its name
        self.consumer = self._new_consumer()

    def keep(self) -> None:
        """Be in the group, with another consumer if this one is of no use any more."""
        self._renew()
        if self._died_at is not None and time.monotonic() > self._died_at + _JOIN_AGAIN_S:
            self._join_again()
        if not self._subscribed:
            self._subscribe()

    def commit(self, place: TopicPlace, offset: int, marks: Marks, *, wait: bool) -> None:
        """Commit an offset and the marks beside it. One that fails is told of, and no more."""
        commit = TopicPartition(*place, offset, to_metadata(marks))
        try:
            self.consumer.commit(offsets=[commit], asynchronous=not wait)  # type: ignore[call-overload]
        except KafkaException as error:
            self._trouble.met(error.args[0], f"committing to {place.topic}")

    def failed(self, error: KafkaError) -> None:
        """The consumer says that something is wrong, maybe for good."""
        if (error.fatal() or error.code() in _FATAL) and self._died_at is None:
            self._died_at = time.monotonic()
        self._trouble.met(error, f"reading {self._names.name}")

    def close(self) -> None:
        """Leave. Bounded by librdkafka's own time-outs."""
        self.consumer.close()

    def _subscribe(self) -> None:
        self.consumer.subscribe(
            [self._names.subscription],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )
        self._subscribed = True

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if any(not self._names.has(one.topic) for one in partitions):
            # A static member that comes back soon is given what it had, without a rebalance, also
            # when its config names another topic now. It leaves, and joins as a new one.
            self._leave(consumer)
            return
        try:
            committed = consumer.committed(partitions, timeout=_CALL_TIMEOUT_S)
        except KafkaException as error:
            self._leave_without_marks(consumer, error.args[0])
            return
        failed = next((place.error for place in committed if place.error is not None), None)
        if failed is not None:
            self._leave_without_marks(consumer, failed)
            return
        self._rebalance.given(consumer, committed)

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._rebalance.going(_places(partitions), not self._is_renewing)

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._rebalance.lost(_places(partitions))

    def _leave_without_marks(self, consumer: Consumer, why: KafkaError) -> None:
        """Join once more: without the marks everything would be sent again."""
        self._trouble.met(why, f"reading the marks of {self._names.name}")
        self._leave(consumer)

    def _leave(self, consumer: Consumer) -> None:
        consumer.unsubscribe()
        self._subscribed = False

    def _join_again(self) -> None:
        """Begin anew with another consumer: one that had a fatal error never reads again."""
        new = self._new_consumer()
        self.consumer.close()
        self._rebalance.left()
        self.consumer = new
        self._subscribed, self._died_at = False, None

    def _new_consumer(self) -> Consumer:
        return consumer(reading_properties(self._kafka, self._member, self.failed))

    def _renew(self) -> None:
        """Join anew when files that the consumer was made of are others now.

        What was delivered and not yet committed comes again, and is judged by its mark. Committing
        could take long: the old files may be why nobody answers.
        """
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + _LOOK_EVERY_S
        if not renewed(self._kafka):
            return
        self._is_renewing = True
        try:
            self._join_again()
        except ConfigError as error:  # half replaced, or no certificate: a file will change again
            self._trouble.tell(str(error))
        finally:
            self._is_renewing = False


def _places(partitions: list[TopicPartition]) -> list[TopicPlace]:
    return [TopicPlace(one.topic, one.partition) for one in partitions]
