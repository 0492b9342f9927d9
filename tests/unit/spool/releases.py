"""Spools as released versions wrote them: tests/data/spools/<format>, never written again.

    python -m tests.unit.spool.releases FOLDER     writes one as this version does

Their rounds follow from line and seq (`round_of`), so what they hold is known without a list: 30
rounds of line 1, the second half of another dictionary; reader `half` has delivered 12, `centre`
none and one batch of 3 was set aside.
"""

from __future__ import annotations

import sys
from pathlib import Path

from collector.errors import Rejected
from collector.flow.pump import Appetite
from collector.frames.dictionary import Dictionary, Stream
from collector.frames.frame import Lineage
from collector.spool.spool import Limits, Spool
from tests.unit.examples import BOOT
from tests.unit.spool.site import Told, dictionary_of, round_of

DATA = Path(__file__).parents[2] / "data" / "spools"
STREAM = Stream("store-0412", "node-1", "standard")
ROUNDS, HALF, ASIDE = 30, 12, 3
LINE, EPOCH = 1, 1


def dictionary_at(seq: int) -> Dictionary:
    return dictionary_of(int(seq > ROUNDS // 2), STREAM)


def write(folder: Path) -> None:
    """Make the spool of this version."""
    with Spool(folder, STREAM.site, STREAM.node, Limits(1 << 30, lambda _: 0)) as spool:
        chain = spool.chain(STREAM.tier)
        half = spool.cursor(STREAM.tier, "half", Appetite(1, 0.0), Told())
        lineage = Lineage(EPOCH, LINE, None, BOOT)
        for seq in range(1, ROUNDS + 1):
            known = dictionary_at(seq)
            chain.append(known, round_of(LINE, seq, known, lineage))
            if seq == HALF:
                batch = half.read(0)
                assert batch is not None
                assert batch.rounds == HALF
                half.commit(batch)
                aside = batch._replace(frames=batch.frames[:ASIDE])
                spool.rejected.keep(aside, Rejected("no", reason="http_400"), "centre")
        half.close()


if __name__ == "__main__":
    write(Path(sys.argv[1]))
