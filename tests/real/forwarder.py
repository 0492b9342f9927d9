"""A forwarder that can be killed anywhere: it reads a group, and what it delivers goes to a file.

    python -m tests.real.forwarder BOOTSTRAP TOPIC GROUP INSTANCE FILE [WAY]

WAY: `slow` takes its time over each round; `received`, `delivered` and `committed` are places where
it is killed, at a random batch.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from contextlib import closing
from pathlib import Path
from threading import Event

from collector.flow.pump import Appetite
from collector.topic.member import Member
from collector.topic.reader import TopicReader
from tests.real.topic_place import Heard

QUICK = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"}
ROUND_S = 0.2


def main(bootstrap: str, topic: str, group: str, instance: str, file: str, way: str = "") -> None:
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    left = random.randint(1, 3)

    def reached(place: str) -> None:
        if way == place and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    properties = {"bootstrap.servers": bootstrap, **QUICK}
    appetite = Appetite(1, 0.0)
    out = os.open(Path(file), os.O_WRONLY | os.O_APPEND)
    member = Member(group, instance)
    with closing(TopicReader(topic, properties, member, appetite, Heard())) as reader:
        while not stop.is_set():
            batch = reader.read(0.2)
            if batch is None:
                continue
            left -= 1
            reached("received")
            for frame in batch.frames:
                for seq, at in enumerate(frame.at, frame.first_seq):
                    os.write(out, f"{instance} {seq} {at.wall_ms}\n".encode())
                    if way == "slow":
                        stop.wait(ROUND_S)
            reached("delivered")
            reader.commit(batch)
            reached("committed")


if __name__ == "__main__":
    main(*sys.argv[1:])
