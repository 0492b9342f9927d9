"""Putting a round on disk: how long an append takes, its fsync in it.

Rounds of selection S, one after the other, into a spool of the program's own kind. The folder is
EDGEVITALS_BENCH_SPOOL, else the working directory: a tmpfs would say nothing.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from bench.rounds import STREAM, recorded
from bench.table import Row, Table, Target, Unit
from collector.spool.chain import SEGMENT_BYTES
from collector.spool.spool import Limits, Spool

ROUNDS = 2_000  # through a change of segments
APPEND_TARGET = Target(2.0)


def run() -> list[Table]:
    material = recorded()
    place = os.environ.get("EDGEVITALS_BENCH_SPOOL") or Path.cwd()
    taken = []
    limits = Limits(1 << 30, lambda _: 0)
    with (
        tempfile.TemporaryDirectory(prefix="bench-spool-", dir=place) as folder,
        Spool(Path(folder), STREAM.site, STREAM.node, limits) as spool,
    ):
        chain = spool.chain(STREAM.tier)
        for seq, frame in enumerate(islice(cycle(material.frames), ROUNDS), 1):
            numbered = frame._replace(first_seq=seq)
            began = time.perf_counter()
            spool.make_room(STREAM.tier)
            chain.append(material.dictionary, numbered)
            taken.append(time.perf_counter() - began)
        size = spool.bytes
    hundredths = statistics.quantiles(taken, n=100)
    series = len(material.dictionary.series)
    note = f"{ROUNDS:,} rounds of {series:,} series, {size / ROUNDS:,.0f} B each; segments of "
    note += f"{SEGMENT_BYTES >> 20} MiB"
    rows = [
        Row("median", 1e3 * statistics.median(taken), Unit.MILLISECONDS, APPEND_TARGET, note),
        Row("90 of 100", 1e3 * hundredths[89], Unit.MILLISECONDS),
        Row("99 of 100", 1e3 * hundredths[98], Unit.MILLISECONDS),
    ]
    return [Table("A round is put on disk, fsync in it", rows)]
