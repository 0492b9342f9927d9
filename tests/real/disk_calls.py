"""A site that takes a few rounds and delivers each: a program whose calls to the disk can fail.

    python -m tests.real.disk_calls FOLDER ROUNDS

Prints a line for each round that is kept (`disk` or `memory`) and each that its reader got
(`read`): the word, the line, the seq, and the time in ms.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.unit.site import Site


def main(folder: Path, rounds: int) -> None:
    with Site(folder) as site:
        cursor = site.cursor()
        for number in range(rounds):
            site.take(number * 15)
            if number == rounds // 2:
                site.spool.chain(site.stream.tier).close()  # the next one begins a segment
            latest = site.rounds.latest
            assert latest is not None
            lineage = latest.frame.lineage
            where = "memory" if lineage.volatile else "disk"
            print(where, lineage.line, latest.seq, latest.at.wall_ms, flush=True)
            while (batch := cursor.read(0.0)) is not None:
                for frame in batch.frames:
                    for i, at in enumerate(frame.at):
                        seq = frame.first_seq + i
                        print("read", frame.lineage.line, seq, at.wall_ms, flush=True)
                cursor.commit(batch)
        cursor.close()
    print("end", 0, 0, 0, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
