"""The calls of a snapshot: brokers, topics, groups and their offsets."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented, not in __all__
    ClusterMetadata,
    OffsetSpec,
)

from collector.admin.calls import Calls, Place, Question, batches, named, place_of
from collector.admin.ownership import OFFSETS_TOPIC, Coordinators, owner_of
from collector.admin.wire import (
    EVERY_BROKER,
    Commits,
    Group,
    Groups,
    LeftOut,
    Offsets,
    OwnGroups,
    Partition,
    ReadSnapshot,
    Topic,
    Topics,
)
from collector.patterns import matcher

PARTITIONS_PER_CALL = 500
GROUPS_PER_CALL = 100
"""A future a partition, and another a group: at about 2 KiB each they bound the memory."""

MOST_DESCRIBED = 4
"""Times the bound of groups: so many are asked for their coordinators where the leaders of Kafka's
own topic of offsets can't be seen. A call of 100 takes 0.1 s."""

GONE = "LEADER_NOT_AVAILABLE"

LOADING = "COORDINATOR_LOAD_IN_PROGRESS"
LOADING_PAUSE_S = 0.3
LOADING_TRIES = 5
"""A broker that loads a part of Kafka's topic of offsets lists none of its groups meanwhile, also
not those that it has. At an edge that is soon over: it is asked again, for 1.5 s."""

OLDEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
END: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]


class Snapshot:
    """Reads what one request asks for, through `calls`."""

    def __init__(self, calls: Calls, request: ReadSnapshot) -> None:
        self._calls = calls
        self._request = request
        self._is_topic_wanted = matcher(request.topics, request.exclude_topics)
        self._oldest: dict[Place, int] = {}
        self._is_group_wanted = matcher(request.groups, request.exclude_groups)

    def read(self) -> None:
        """Tell the cheap and safe first, group offsets last.

        Lag needs the end offsets that are read after the commits: then it can overstate by what
        was written in between, but never be negative. Topics need end offsets before the calls
        that may end this process. So end offsets are read twice: of all partitions first, and
        after the commits of those that have one.
        """
        calls = self._calls
        listing = calls.client.list_consumer_groups(request_timeout=calls.share())
        metadata = calls.list_topics("list topics")
        if metadata is None:
            return
        stand_in = min(metadata.brokers, default=-1)
        coordinators = _coordinators(metadata, stand_in)
        topics = self._topics(metadata)
        ours = self._ours(topics, stand_in)
        calls.tell(Topics(ours))
        calls.tell_failures()
        # A partition without a leader would hold up the call for all others until its time-out.
        places = [(t.name, p.id) for t in ours for p in t.partitions if p.leader >= 0]
        led = {t.name: {p.id for p in t.partitions if p.leader >= 0} for t in topics}
        del metadata, topics, ours  # told; 10,000 partitions are some MiB, and futures are to come
        self._tell_offsets(places)
        groups = self._groups(self._listed(listing), coordinators, stand_in)
        calls.tell(Groups(groups))
        calls.tell_failures()
        self._tell_commits([g.name for g in groups], led)

    def _topics(self, metadata: ClusterMetadata) -> list[Topic]:
        """Return the topics that match, whoever leads them; take them out of the metadata."""
        topics: list[Topic] = []
        for name in sorted(metadata.topics, key=lambda name: (name.startswith("__"), name)):
            found = metadata.topics.pop(name)
            if not self._is_topic_wanted(name):
                continue
            if found.error is not None:
                self._calls.failed("list topics", *named(found.error), name)
                continue
            partitions = [
                Partition(p.id, p.leader, p.replicas, p.isrs)
                for p in sorted(found.partitions.values(), key=lambda p: p.id)
            ]
            topics.append(Topic(name, partitions))
        return topics

    def _ours(self, topics: Sequence[Topic], stand_in: int) -> list[Topic]:
        """Return the topics to read, whole ones only; the internal ones are left out first."""
        ours: list[Topic] = []
        room, left_out = self._request.max_partitions, 0
        for topic in topics:
            if not self._is_ours(owner_of(topic, stand_in)):
                continue
            if len(topic.partitions) > room:
                left_out += len(topic.partitions)
                continue
            room -= len(topic.partitions)
            ours.append(topic)
        self._calls.tell(LeftOut("partitions", left_out))
        return ours

    def _is_ours(self, broker: int) -> bool:
        return self._request.broker in (EVERY_BROKER, broker)

    def _tell_offsets(self, places: Sequence[Place]) -> None:
        calls = self._calls
        for batch in batches(places, PARTITIONS_PER_CALL):
            starts, ends = self._take(
                ("read oldest offsets", dict.fromkeys(batch, OLDEST)),
                ("read end offsets", dict.fromkeys(batch, END)),
            )
            # Under the keys of `places`: in an answer each has a text of its own for its topic.
            self._oldest |= {at: starts[at] for at in batch if at in starts}
            offsets = [(*at, starts.get(at, -1), ends.get(at, -1)) for at in batch]
            calls.tell(Offsets(offsets, is_last=False))
            calls.tell_failures()
        calls.tell(Offsets([], is_last=True))

    def _listed(self, listing: Future[Any]) -> list[str]:
        """Return the names of all groups that match, whoever coordinates them."""
        calls = self._calls
        found = calls.results("list groups", {"": listing}).get("")
        if found is None:
            return []
        for _ in range(LOADING_TRIES):
            is_loading = LOADING in {named(error)[0] for error in found.errors or []}
            if not is_loading or calls.share() < LOADING_PAUSE_S:
                break
            time.sleep(LOADING_PAUSE_S)
            listing = calls.client.list_consumer_groups(request_timeout=calls.share())
            found = calls.results("list groups", {"": listing}).get("", found)
        for error in found.errors or []:  # of brokers that are away; the others' groups are there
            calls.failed("list groups", *named(error))
        return sorted({g.group_id for g in found.valid or [] if self._is_group_wanted(g.group_id)})

    def _groups(
        self, names: list[str], coordinators: Coordinators | None, stand_in: int
    ) -> list[Group]:
        """Return the groups that are alive and ours: first whose they are, then the bound."""
        most = self._request.max_groups
        is_all_ours = self._request.broker == EVERY_BROKER
        if not is_all_ours and coordinators is not None:
            names = [name for name in names if self._is_ours(coordinators.of(name))]
        if is_all_ours or coordinators is not None:
            self._calls.tell(OwnGroups(names[:most]))
            groups = self._described(names[:most])
            left_out = len(names) - most
        else:
            asked = names[: MOST_DESCRIBED * most]
            ours = [
                group
                for group in self._described(asked)
                # One without a coordinator is told by one all the same.
                if self._is_ours(group.coordinator if group.coordinator >= 0 else stand_in)
            ]
            groups = ours[:most]
            left_out = len(names) - len(asked) + len(ours) - len(groups)
        self._calls.tell(LeftOut("groups", max(0, left_out)))
        return groups

    def _described(self, names: Sequence[str]) -> list[Group]:
        """Return those of these groups that are alive."""
        calls = self._calls
        groups: list[Group] = []
        for batch in batches(names, GROUPS_PER_CALL):
            futures = calls.client.describe_consumer_groups(batch, request_timeout=calls.share())
            for name, found in calls.results("describe groups", futures).items():
                if found.state.name == "DEAD":  # gone since it was listed
                    continue
                coordinator = found.coordinator.id if found.coordinator else -1
                members = len(found.members or [])
                groups.append(Group(name, found.state.name, found.type.name, members, coordinator))
        return groups

    def _tell_commits(self, names: Sequence[str], led: Mapping[str, set[int]]) -> None:
        """Tell what groups have committed; `led` are the partitions of all topics that match."""
        calls = self._calls
        room, left_out = self._request.max_commits, 0
        for batch in batches(names, GROUPS_PER_CALL):
            futures: dict[str, Future[Any]] = {}
            for name in batch:  # the call takes one group; started together they take no longer
                wanted = [ConsumerGroupTopicPartitions(name)]
                futures |= calls.client.list_consumer_group_offsets(
                    wanted, request_timeout=calls.share()
                )
            committed: dict[str, dict[Place, int]] = {}
            for name, found in calls.results("read committed offsets", futures).items():
                commits: dict[Place, int] = {}
                for tp in found.topic_partitions or []:
                    if tp.error is not None:
                        calls.failed("read committed offsets", *named(tp.error), name)
                    elif tp.offset >= 0 and tp.topic in led:  # below 0: nothing committed
                        commits[place_of(tp)] = tp.offset
                if len(commits) > room:
                    left_out += len(commits)
                    continue
                room -= len(commits)
                committed[name] = commits
            places = sorted(
                {at for commits in committed.values() for at in commits if at[1] in led[at[0]]}
            )
            ends = self._ends_of(places)
            for name, commits in committed.items():
                offsets = [
                    (*at, offset, self._oldest.get(at, -1), ends.get(at, -1))
                    for at, offset in commits.items()
                ]
                calls.tell(Commits(name, offsets))
            calls.tell_failures()
        calls.tell(LeftOut("commits", left_out))

    def _take(self, *questions: Question) -> list[dict[Place, int]]:
        """Ask; of a partition whose leader is gone librdkafka says -1 and nothing of an error."""
        found = self._calls.take_offsets(*questions)
        for (call, _), offsets in zip(questions, found, strict=True):
            for (topic, partition), offset in offsets.items():
                if offset < 0:
                    about = f"{topic}/{partition}"
                    self._calls.failed(call, GONE, "its leader gave no offset", about)
        return found

    def _ends_of(self, places: Sequence[Place]) -> dict[Place, int]:
        """Return end offsets as of now; learn the oldest ones of topics that are not ours."""
        ends: dict[Place, int] = {}
        for part in batches(places, PARTITIONS_PER_CALL):
            others = dict.fromkeys((at for at in part if at not in self._oldest), OLDEST)
            found, oldest = self._take(
                ("read end offsets after commits", dict.fromkeys(part, END)),
                ("read oldest offsets", others),
            )
            ends |= found
            self._oldest |= oldest
        return ends


def _coordinators(metadata: ClusterMetadata, stand_in: int) -> Coordinators | None:
    """Return who coordinates what; None where our user may not see the topic that says so."""
    topic = metadata.topics.get(OFFSETS_TOPIC)
    if topic is None or topic.error is not None or not topic.partitions:
        return None
    leaders = [topic.partitions[number].leader for number in sorted(topic.partitions)]
    return Coordinators(leaders, stand_in)
