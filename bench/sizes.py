"""Bytes a sample in the topic, all in: values, envelope, Kafka's record and batch, dictionaries.

A frame is a batch of its own, as it is while the line is live; a dictionary comes in the batch of
the frame behind it, at the writer's pace for a round every 15 s.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from bench.record_size import BATCH_BYTES, record_bytes
from bench.rounds import INTERVAL_S, STREAM, Material, joined, recorded
from bench.table import Row, Table, Target, Unit
from collector.frames import dictionary
from collector.frames.frame import encode_dictionary, encode_frame
from collector.topic.record import dictionary_headers, frame_headers
from collector.topic.writer import DICTIONARY_EVERY_FRAMES, DICTIONARY_EVERY_S

TARGETS = {1: 1.7, 6: 1.05, 20: 0.9}


class Size(NamedTuple):
    """Bytes a sample, by what they are for."""

    values: float
    envelope: float
    record: float
    dictionary: float

    @property
    def all_in(self) -> float:
        return sum(self)


def run() -> list[Table]:
    material = recorded()
    rows = []
    for rounds, limit in TARGETS.items():
        size = measure(material, rounds)
        parts = (
            f"values {size.values:.3f}  envelope {size.envelope:.3f}  "
            f"headers and batch {size.record:.3f}  dictionary {size.dictionary:.3f}"
        )
        what = f"{rounds} round{'s' * (rounds > 1)} a frame"
        rows.append(Row(what, size.all_in, Unit.BYTES_A_SAMPLE, Target(limit), parts))
    rows.append(_dictionary(material))
    title = f"Bytes a sample in the topic, all in, a round every {INTERVAL_S} s"
    return [Table(title, rows)]


def measure(material: Material, rounds: int) -> Size:
    """Join the recording into frames of so many rounds, and weigh them."""
    values = records = batches = 0
    for frame in joined(material.frames, material.dictionary, rounds):
        record = encode_frame(frame)
        values += len(frame.columns)
        records += len(record)
        batches += BATCH_BYTES + record_bytes(record, frame_headers(STREAM, frame))
    announced = record_bytes(
        encode_dictionary(material.dictionary), dictionary_headers(material.dictionary)
    )
    frames_between = max(
        DICTIONARY_EVERY_FRAMES, math.ceil(DICTIONARY_EVERY_S / (INTERVAL_S * rounds))
    )
    return Size(
        values / material.samples,
        (records - values) / material.samples,
        (batches - records) / material.samples,
        announced / (frames_between * rounds * material.series),
    )


def _dictionary(material: Material) -> Row:
    whole = material.dictionary
    without_help = dictionary.build(
        whole.stream,
        [one._replace(family=one.family._replace(help="")) for one in whole.series],
    )
    help_bytes = len(whole.packed) - len(without_help.packed)
    families = len({one.family for one in whole.series})
    share = help_bytes / len(whole.packed)
    note = f"of {families:,} families; {help_bytes:,} B ({share:.0%}) are help texts"
    return Row("a dictionary", len(encode_dictionary(whole)), Unit.BYTES, note=note)
