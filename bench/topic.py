"""The same sizes as in sizes.py, weighed in the log of a real broker: is the arithmetic right?"""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

from bench.record_size import BATCH_BYTES, record_bytes
from bench.rounds import STREAM, Material, joined, recorded
from bench.table import Row, Table, Target, Unit
from collector.admin.client import Admin
from collector.flow.pump import Batch
from collector.frames.frame import encode_dictionary, encode_frame
from collector.topic.client import TopicPlace
from collector.topic.creation import TopicCreation
from collector.topic.record import dictionary_headers, frame_headers
from collector.topic.writer import TopicWriter
from tests.lab.kafka import Kafka

ROUNDS_A_FRAME = (1, 6, 20)
PARTITION = 1
MAX_BYTES = 256 << 20


def run() -> list[Table]:
    material = recorded()
    rows = []
    with (
        tempfile.TemporaryDirectory(prefix="edgevitals-bench-") as directory,
        Kafka(Path(directory)) as broker,
    ):
        kafka = {"bootstrap.servers": broker.bootstrap}
        for rounds in ROUNDS_A_FRAME:
            topic = f"edgevitals.bench-{rounds}"
            write(material, rounds, topic, kafka)
            folder = Path(directory, "data", f"{topic}-{PARTITION}")
            found = sum(segment.stat().st_size for segment in folder.glob("*.log"))
            rows.append(_row(rounds, found, log_bytes(material, rounds)))
    return [Table("The log of a real topic, one dictionary: bytes more than computed", rows)]


def write(material: Material, rounds: int, topic: str, kafka: dict[str, str]) -> None:
    """Let the topic's writer write the recording, a frame at a time."""
    with closing(Admin(kafka)) as admin:
        place = TopicPlace(topic, PARTITION)
        writer = TopicWriter(place, kafka, TopicCreation(admin, MAX_BYTES))
        with closing(writer):
            for at in range(0, len(material.frames), rounds):
                frames = tuple(material.frames[at : at + rounds])
                writer.send(Batch(material.dictionary, frames, None))


def log_bytes(material: Material, rounds: int) -> int:
    """What that should take: a batch a record, the first one is the dictionary."""
    size = BATCH_BYTES + record_bytes(
        encode_dictionary(material.dictionary), dictionary_headers(material.dictionary)
    )
    for frame in joined(material.frames, material.dictionary, rounds):
        size += BATCH_BYTES + record_bytes(encode_frame(frame), frame_headers(STREAM, frame))
    return size


def _row(rounds: int, found: int, expected: int) -> Row:
    what = f"{rounds} round{'s' * (rounds > 1)} a frame"
    note = f"{found:,} found, {expected:,} computed"
    return Row(what, found - expected, Unit.BYTES, Target(0.0), note)
